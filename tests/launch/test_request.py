from __future__ import annotations

import pytest

from launcher.failure import Failure
from launcher.request import read, without_values


def test_arguments_are_left_as_they_are():
    request = read(["--nowebui", "--port", "7861"], {})
    assert request == (("--nowebui", "--port", "7861"), (), None)


def test_commandline_args_are_split_as_a_shell_would():
    request = read([], {"COMMANDLINE_ARGS": "--ckpt 'my model.safetensors' --exit"})
    assert request.extra == ("--ckpt", "my model.safetensors", "--exit")
    assert request.arguments == ()


def test_quotes_left_open():
    with pytest.raises(Failure, match="COMMANDLINE_ARGS"):
        read([], {"COMMANDLINE_ARGS": "--ckpt 'my model"})


@pytest.mark.parametrize("given", ["--skip-install", "--skip_install"])
def test_switches_with_dashes_or_underscores(given):
    assert read([given], {}).has("--skip-install")
    assert read([], {"COMMANDLINE_ARGS": given}).has("--skip-install")
    assert not read([], {}).has("--skip-install")


def test_a_value_is_no_switch():
    assert not read(["--api-auth", "exit"], {}).has("--exit")


def test_what_follows_test_is_for_pytest():
    request = read(["--skip-install", "--test", "tests/prompt", "--exit"], {})
    assert request.tests == ("tests/prompt", "--exit")
    assert request.has("--skip-install")
    assert not request.has("--exit")
    assert read(["--test"], {}).tests == ()


def test_test_server_adds_its_flags_once_and_ignores_the_environment():
    request = read(["--test-server", "--api"], {"COMMANDLINE_ARGS": "--listen"})
    assert request.extra == ()
    assert request.arguments == ("--test-server", "--api", "--skip-torch-cuda-test", "--disable-nan-check")


@pytest.mark.parametrize("arguments", [["--data-dir", "x"], ["--data-dir=x"], ["--data_dir=x"]])
def test_values(arguments):
    assert read(arguments, {}).value("--data-dir") == "x"


def test_the_last_value_counts_and_the_environment_is_last():
    assert read(["--data-dir", "x", "--data-dir", "y"], {}).value("--data-dir") == "y"
    assert read(["--data-dir", "x"], {"COMMANDLINE_ARGS": "--data-dir z"}).value("--data-dir") == "z"


def test_no_value():
    assert read(["--data-dir"], {}).value("--data-dir") is None
    assert read([], {}).value("--data-dir") is None


@pytest.mark.parametrize(("argument", "asks"), [("-h", True), ("--help", True), ("--held", False)])
def test_asking_for_help(argument, asks):
    assert read([argument], {}).asks_for_help() is asks


def test_values_may_be_secret():
    assert without_values(["--api-auth", "me:secret", "--ngrok=token", "-f"]) == [
        "--api-auth",
        "--ngrok",
        "-f",
    ]
