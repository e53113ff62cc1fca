from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from functools import partial
from pathlib import Path

import pytest

from launcher.failure import Failure
from launcher.program import end, in_words, run, start, with_silences


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


def test_output_is_returned_and_logged(tmp_path):
    log = tmp_path / "new" / "log"
    assert run(
        "talking", python("import sys; print('a', flush=True); print('b', file=sys.stderr)"), log, os.environ
    ) == [
        "a",
        "b",
    ]
    assert log.read_text().splitlines()[1:] == ["a", "b"]
    assert log.read_text().startswith(f"$ {sys.executable}")
    run("talking", python("print('c')"), log, os.environ)
    assert log.read_text().splitlines()[-1] == "c", "logs are continued"


def test_a_bad_end(tmp_path):
    with pytest.raises(Failure, match="Could not finish: talking") as caught:
        run("talking", python("raise SystemExit('ERROR: too tired')"), tmp_path / "log", os.environ)
    assert caught.value.why == "ERROR: too tired"


def test_a_program_that_is_not_there(tmp_path):
    with pytest.raises(Failure, match="nonexistent"):
        run("talking", ["/nonexistent/python"], tmp_path / "log", os.environ)


def test_there_is_no_input(tmp_path):
    assert run(
        "asking", python("import sys; print(repr(sys.stdin.read()))"), tmp_path / "log", os.environ
    ) == ["''"]


def test_bytes_that_are_no_text(tmp_path):
    code = r"import sys; sys.stdout.buffer.write(b'\xff\n')"
    assert run("x", python(code), tmp_path / "log", os.environ) == ["\N{REPLACEMENT CHARACTER}"]


def test_the_environment_is_the_given_one(tmp_path):
    environ = {**os.environ, "ANSWER": "42"}
    assert run("x", python("import os; print(os.environ['ANSWER'])"), tmp_path / "log", environ) == ["42"]


def test_no_process_is_left_behind():
    process = start(python("import time; time.sleep(60)"), os.environ)
    began = time.monotonic()
    end(process)
    assert process.poll() is not None
    assert time.monotonic() - began < 30


def test_ending_a_process_that_ended():
    process = start(python("pass"), os.environ)
    process.wait()
    end(process)
    assert process.returncode == 0


def test_silences_are_noticed():
    reader, writer = os.pipe()

    def speak() -> None:
        with open(writer, "w") as stream:
            time.sleep(0.5)
            stream.write("at last\n")

    threading.Thread(target=speak).start()
    with open(reader) as stream:
        heard = list(with_silences(stream, 0.1))
    assert heard[-1] == "at last\n"
    assert heard[0] is None
    assert heard.count("at last\n") == 1


def test_progress_is_said(tmp_path, capsys):
    lines = "Collecting alpha\\n  Downloading https://x.org/ab/alpha-1.0-py3-none-any.whl (1.5 MB)"
    run("x", python(f"print('{lines}')"), tmp_path / "log", os.environ)
    assert capsys.readouterr().out == "    downloading alpha 1.0 (1.5 MB)\n"


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (
            "  Downloading torch-2.13.0-cp312-cp312-manylinux_2_28_x86_64.whl (888.1 MB)\n",
            "downloading torch 2.13.0 (888.1 MB)",
        ),
        (
            "  Downloading https://a.b/whl/cpu/torch-2.13.0%2Bcpu-cp312-linux.whl (190 MB)",
            "downloading torch 2.13.0+cpu (190 MB)",
        ),
        (
            "Using cached hf_xet-1.8.0-cp37-abi3-linux.whl (3.3 MB)",
            "taking from pip's cache hf_xet 1.8.0 (3.3 MB)",
        ),
        ("Installing collected packages: a, b, c", "unpacking 3 packages"),
        ("Installing collected packages: a", "unpacking 1 package"),
        ("  Downloading torch-2.13.0-cp312-linux.whl.metadata (29 kB)", None),
        ("Collecting torch==2.13.0", None),
        ("", None),
    ],
)
def test_pips_lines_in_words(line, words):
    assert in_words(line) == words


@pytest.mark.skipif(os.name == "nt", reason="/proc of Linux")
def test_an_interruption_ends_the_program(tmp_path):
    """Ctrl+C while packages are downloaded must not leave pip at work in the background."""
    code = (
        "import os, signal, sys, threading; from pathlib import Path; from launcher.program import run\n"
        f"threading.Timer(1.0, os.kill, (os.getpid(), signal.SIGINT)).start()\n"
        f"run('x', [sys.executable, '-c', 'import os, time; print(os.getpid(), flush=True); time.sleep(60)'],"
        f" Path({str(tmp_path / 'log')!r}), os.environ)"
    )
    root = Path(__file__).resolve().parent.parent.parent
    done = subprocess.run(
        python(code),
        cwd=root,
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
        # Whoever runs the tests in the background may have SIGINT ignored, and children inherit that.
        preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),
    )
    assert "KeyboardInterrupt" in done.stderr
    pid = int((tmp_path / "log").read_text().splitlines()[1])
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
