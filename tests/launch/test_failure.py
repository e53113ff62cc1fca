from __future__ import annotations

from pathlib import Path

import pytest

from launcher.failure import EXPLANATIONS, explain, shortened

# Lines that pip and the systems below it print.
OUTPUTS = [
    (
        "ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device",
        "the disk is full",
    ),
    (
        "WARNING: Retrying (Retry(total=4)) after connection broken by 'NewConnectionError('<HTTPSConnection>"
        ": Failed to establish a new connection: [Errno -3] Temporary failure in name resolution')': /torch/",
        "the package index does not answer",
    ),
    (
        "SSLError(SSLCertVerificationError(1, '[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed'))",
        "the package index shows a certificate that this computer does not trust",
    ),
    (
        "pip._vendor.urllib3.exceptions.IncompleteRead: IncompleteRead(1000 bytes read, 2 more expected)",
        "a download arrived damaged",
    ),
    ("ERROR: [Errno 13] Permission denied: '/opt/x/.venv/bin/pip'", "a file or folder may not be written"),
    ("ERROR: No matching distribution found for torch==2.13.0", "there is no PyTorch for this Python"),
    ("ERROR: No matching distribution found for torchsde==1", "the package index lacks a package"),
    ("ERROR: ResolutionImpossible: for help visit", "do not go together"),
    ("  error: command 'gcc' failed: No such file or directory", "could not be built"),
    ("/opt/x/python: No module named ensurepip", "comes without the module"),
]


@pytest.mark.parametrize(("line", "why"), OUTPUTS)
def test_known_causes(line, why):
    failure = explain("installing", ["Collecting things", line, "more"], Path("the.log"))
    assert why in failure.why
    assert line.strip()[:40] in failure.why, "the line that says so is shown"
    assert "Collecting" not in failure.why
    assert failure.advice.endswith("the.log")


def test_every_explanation_is_tried():
    assert len(OUTPUTS) == len(EXPLANATIONS)


def test_causes_come_before_their_consequences():
    output = [OUTPUTS[1][0], "ERROR: No matching distribution found for torch==2.13.0"]
    assert "does not answer" in explain("installing", output).why


def test_unknown_causes_show_the_errors():
    output = ["Collecting alpha", "ERROR: the moon is in the way", "bye"]
    failure = explain("installing", output, Path("the.log"))
    assert failure.why == "ERROR: the moon is in the way"
    assert failure.advice == "read the.log, then start again: what is installed already is kept"


def test_without_errors_the_last_lines_are_shown():
    assert explain("x", ["1", "2", "3", "", "4"]).why == "2 / 3 / 4"


def test_silence():
    assert explain("x", []).why == "the program ended without a word"


def test_as_text():
    text = str(explain("installing PyTorch", [OUTPUTS[0][0]]))
    assert text.splitlines()[0] == "Could not finish: installing PyTorch."
    assert text.splitlines()[1].startswith("Why:  the disk is full (ERROR: Could not install")
    assert text.splitlines()[2].startswith("Next: free some space")


def test_long_lines_lose_their_middle():
    assert shortened("a" * 10) == "a" * 10
    short = shortened("a" * 1000 + "b" * 1000, 100)
    assert short == "a" * 50 + " ... " + "b" * 50
