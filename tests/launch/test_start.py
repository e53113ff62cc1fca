"""launch.py from the outside: a real process, a real virtual environment, a real pip."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pytest


def test_first_start_installs_and_hands_over(first):
    product, started = first
    told = product.told(started.stdout)
    assert told["argv"] == ["--nowebui", "--port", "1234"]
    assert told["python"] == str(product.python)
    assert told["data"] == str(product.root)
    assert told["cwd"] == str(product.root.parent), "relative paths on the command line keep their meaning"
    assert product.ask("version('torch'), version('alpha')") == "1.0 1.0"


def test_first_start_says_what_it_does(first):
    _, started = first
    output = started.stdout
    assert "Making the virtual environment" in output
    assert "[1/2] Installing PyTorch" in output
    assert "[2/2] Installing the packages of the server" in output
    assert output.index("Everything is installed") < output.index("SERVER ")


def test_the_exit_status_is_the_servers(first):
    assert first[1].returncode == 5


def test_second_start_installs_nothing(product):
    log = product.root / ".venv" / "install.log"
    log.unlink()
    started = product.launch("--nowebui")
    assert started.stdout.startswith("SERVER "), "nothing is said where nothing is done"
    assert not log.exists()


@pytest.mark.skipif(os.name == "nt", reason="CPU time of children")
def test_second_start_is_fast(product):
    """It waits for nothing, so that CPU time is what counts, and other programs do not spoil the measure."""

    def seconds() -> float:
        before = os.times()
        assert product.launch("--exit").returncode == 0
        after = os.times()
        return after.children_user + after.children_system - before.children_user - before.children_system

    assert min(seconds() for _ in range(3)) < 0.5


def test_a_changed_pin_is_installed(product):
    (product.root / "requirements.txt").write_text("alpha==2.0\n")
    started = product.launch("--exit")
    assert started.returncode == 0
    assert "[1/1] Installing the packages of the server" in started.stdout, "and only that"
    assert product.ask("version('alpha')") == "2.0"


def test_a_failed_installation_explains_itself_and_is_repaired_by_the_next_start(product):
    requirements = product.root / "requirements.txt"
    good = requirements.read_text()
    requirements.write_text("alpha==9.9\n")
    failed = product.launch("--nowebui")
    assert failed.returncode == 1
    assert "Could not finish: installing the packages of the server." in failed.stdout
    assert "Why:  the package index lacks a package" in failed.stdout
    assert "alpha==9.9" in failed.stdout
    assert "Next: check PIP_INDEX_URL" in failed.stdout
    assert str(product.root / ".venv" / "install.log") in failed.stdout
    assert "Traceback" not in failed.stdout
    assert "SERVER" not in failed.stdout
    requirements.write_text(good)
    repaired = product.launch("--nowebui")
    assert "Installing the packages of the server" in repaired.stdout, "a failure leaves no stamp"
    assert product.told(repaired.stdout)["argv"] == ["--nowebui"]


def test_an_index_that_does_not_answer(product):
    (product.root / "requirements.txt").write_text("beta==1.0\n")
    nowhere = "http://127.0.0.1:9/simple"
    failed = product.launch(
        "--exit", PIP_NO_INDEX=None, PIP_FIND_LINKS=None, PIP_INDEX_URL=nowhere, PIP_RETRIES="1"
    )
    assert failed.returncode == 1
    assert "Why:  the package index does not answer" in failed.stdout
    assert "HTTPS_PROXY" in failed.stdout


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
def test_an_interrupted_installation_goes_on_at_the_next_start(product, bare_python):
    (product.root / "requirements-torch.txt").write_text("torch==1.0  # pinned anew\n")
    # A module that TORCH_COMMAND names stands for a long download.
    site = product.ask("__import__('sysconfig').get_path('purelib')")
    Path(site, "long_download.py").write_text("import time; time.sleep(60)")
    process = subprocess.Popen(
        [bare_python, str(product.root / "launch.py"), "--exit"],
        env={**product.environ, "TORCH_COMMAND": "long_download"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        # Whoever runs the tests in the background may have SIGINT ignored, and children inherit that.
        preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),
    )
    log = product.root / ".venv" / "install.log"
    while not (log.exists() and "long_download" in log.read_text()):
        assert process.poll() is None
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "start again to go on" in output
    assert "Traceback" not in output
    again = product.launch("--exit")
    assert again.returncode == 0
    assert "[1/1] Installing PyTorch" in again.stdout


def test_skip_install_installs_nothing(bare):
    started = bare.launch("--skip-install", "--nowebui")
    assert bare.told(started.stdout)["argv"] == ["--skip-install", "--nowebui"]
    assert not (bare.root / ".venv").exists()


def test_skip_prepare_environment_uses_what_is_there(product):
    (product.root / "requirements.txt").write_text("alpha==9.9\n")
    started = product.launch("--skip-prepare-environment")
    assert product.told(started.stdout)["python"] == str(product.python)


def test_flags_in_the_environment(product):
    started = product.launch("--nowebui", COMMANDLINE_ARGS="--listen --skip-install")
    told = product.told(started.stdout)
    assert told["argv"] == ["--nowebui"], "the server reads COMMANDLINE_ARGS itself"
    assert told["extra"] == "--listen --skip-install"


def test_exit(product):
    started = product.launch("--nowebui", COMMANDLINE_ARGS="--exit")
    assert started.returncode == 0
    assert started.stdout == "Exiting because of --exit argument\n"


def test_data_folder_of_the_user(product, tmp_path):
    started = product.launch("--nowebui", SDAPI_DATA_DIR=str(tmp_path))
    assert product.told(started.stdout)["data"] == str(tmp_path)


def test_tests_get_their_packages_and_arguments(product):
    started = product.launch("--test", "tests/prompt", "-k", "foo")
    assert "[1/1] Installing the packages of the tests" in started.stdout
    assert "PYTEST ['tests/prompt', '-k', 'foo']" in started.stdout
    assert started.returncode == 3, "pytest's own exit status"
    again = product.launch("--test")
    assert again.stdout == "PYTEST ['-n', '2', '--dist=loadfile']\n"


def test_test_server(product):
    started = product.launch("--test-server", COMMANDLINE_ARGS="--api-auth a:b")
    told = product.told(started.stdout)
    assert told["extra"] is None
    assert told["argv"] == ["--test-server", "--api", "--skip-torch-cuda-test", "--disable-nan-check"]


def test_reinstall_torch_takes_another_build_of_the_same_release(product, wheel):
    index = product.root.parent / "index" / "torch"
    index.mkdir(parents=True)
    wheel(index, "torch", "1.0+cpu", {"torch.py": "cuda = None"})
    listing = "<a href='torch-1.0%2Bcpu-py3-none-any.whl'>torch-1.0+cpu-py3-none-any.whl</a>"
    (index / "index.html").write_text(f"<!DOCTYPE html><html><body>{listing}</body></html>")
    empty = product.root.parent / "empty"
    empty.mkdir()
    urls = {"TORCH_INDEX_URL": index.parent.as_uri(), "PIP_INDEX_URL": empty.as_uri(), "PIP_NO_INDEX": None}
    assert product.launch("--exit", **urls).stdout == "Exiting because of --exit argument\n"
    started = product.launch("--exit", "--reinstall-torch", **urls)
    assert started.returncode == 0, started.stdout
    assert "PyTorch comes from TORCH_INDEX_URL" in started.stdout
    assert product.ask("version('torch')") == "1.0+cpu"


def test_torch_command(product):
    started = product.launch("--reinstall-torch", "--exit", TORCH_COMMAND="pip install 'alpha==2.0'")
    assert started.returncode == 0, started.stdout
    assert "PyTorch comes by TORCH_COMMAND" in started.stdout
    assert product.ask("version('alpha')") == "2.0"


def test_help_before_anything_is_installed(bare):
    started = bare.launch("--help")
    assert started.returncode == 0
    assert "--reinstall-torch" in started.stdout
    assert "docs/command-line.md" in started.stdout
    assert not (bare.root / ".venv").exists()


def test_help_of_the_server_once_it_is_installed(product):
    assert product.told(product.launch("--help").stdout)["argv"] == ["--help"]


def test_dump_sysinfo(product):
    started = product.launch("--dump-sysinfo", "--api-auth", "me:secret", "--ngrok=token")
    path = product.root.parent / started.stdout.strip()
    facts = json.loads(path.read_text())
    assert started.returncode == 0
    assert {"alpha==1.0", "torch==1.0"} <= set(facts["Packages"])
    assert facts["Flags"] == ["--dump-sysinfo", "--api-auth", "--ngrok"]
    assert "secret" not in path.read_text()
    assert "token" not in path.read_text()


def test_log_startup(product):
    assert "launch.py: 0." in product.launch("--log-startup", "--exit").stdout


def test_quotes_left_open(product):
    failed = product.launch("--nowebui", COMMANDLINE_ARGS="--ckpt 'my model")
    assert failed.returncode == 1
    assert "correct the quotes in COMMANDLINE_ARGS" in failed.stdout


def test_a_requirement_file_that_is_not_there(product):
    (product.root / "requirements.txt").unlink()
    failed = product.launch("--nowebui")
    assert failed.returncode == 1
    assert "requirements.txt" in failed.stdout
    assert "Traceback" not in failed.stdout


@pytest.mark.skipif(sys.version_info < (3, 11), reason="PYTHONSAFEPATH came with Python 3.11")
def test_modules_in_the_current_folder_are_not_mistaken_for_the_products(product):
    (product.root.parent / "sdapi_compat.py").write_text("raise SystemExit('the wrong one')")
    assert product.told(product.launch("--nowebui").stdout)["argv"] == ["--nowebui"]
