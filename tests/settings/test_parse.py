"""Settings from command lines; data/cmd_flags.json is what 1.10.1 answers for COMMAND_LINE."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from sdapi_compat.options.table import BY_KEY
from sdapi_compat.settings import Settings, parse

ORIGINAL = json.loads((Path(__file__).parent / "data" / "cmd_flags.json").read_text(encoding="utf-8"))
COMMAND_LINE = (
    "--nowebui --api --port 7871 --server-name 127.0.0.1 --api-server-stop --data-dir d --models-dir m "
    "--ckpt c --no-half --precision full --use-cpu all --disable-console-progressbars --skip-version-check "
    "--no-download-sd-model --do-not-download-clip --skip-python-version-check --skip-torch-cuda-test "
    "--skip-prepare-environment --skip-install"
)


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def settings(line: str = "", **environ: str) -> Settings:
    return parse(line.split(), environ)


def refusal(capsys: pytest.CaptureFixture[str], *argv: str, **environ: str) -> str:
    with pytest.raises(SystemExit) as caught:
        parse(argv, environ)
    assert caught.value.code == 2
    return capsys.readouterr().err


def without_paths(value: Any) -> Any:
    if isinstance(value, list):
        return [without_paths(item) for item in value]
    return "(path)" if isinstance(value, str) and os.path.isabs(value) else value


@pytest.mark.parametrize("key", ORIGINAL)
def test_flags_reply_is_the_originals(key: str) -> None:
    mine = without_paths(settings(COMMAND_LINE).flags_reply()[key])
    assert mine == ORIGINAL[key]
    assert type(mine) is type(ORIGINAL[key])


def test_flags_reply_has_the_originals_keys_and_is_a_copy() -> None:
    known = settings()
    reply = known.flags_reply()
    assert reply.keys() == ORIGINAL.keys()
    reply.clear()
    assert known.flags_reply()


def test_numbers_without_a_default_are_shown_as_text() -> None:
    reply = settings("--port 7861 --sub-quad-kv-chunk-size 5 --disable-tls-verify").flags_reply()
    assert reply["port"] == "7861"
    assert reply["sub_quad_kv_chunk_size"] == "5"
    assert reply["disable_tls_verify"] == "False"
    assert settings().flags_reply()["port"] is None


def test_secrets_are_nowhere_shown(here: Path) -> None:
    (here / "users").write_text("carol:hunter3")
    (here / "key").write_text("")
    (here / "cert").write_text("")
    known = settings(
        "--api-auth alice:hunter1 --gradio-auth bob:hunter2 --gradio-auth-path users --ngrok hunter4 "
        '--ngrok-options {"basic_auth":"hunter5"} --tls-keyfile key --tls-certfile cert'
    )
    reply = known.flags_reply()
    for key in ("api_auth", "gradio_auth", "gradio_auth_path", "ngrok", "ngrok_options", "tls_keyfile"):
        assert reply[key] == "<hidden>"
    assert "hunter" not in repr(known)
    assert [user.password for user in known.users] == ["hunter1", "hunter2", "hunter3"]


def test_unset_secrets_are_shown_as_unset() -> None:
    reply = settings().flags_reply()
    assert reply["api_auth"] is None
    assert reply["gradio_auth"] is None
    assert reply["ngrok_options"] == {}


@pytest.mark.parametrize(
    ("line", "host", "ports", "also"),
    [
        ("", "127.0.0.1", tuple(range(7860, 7960)), None),
        ("--api", "127.0.0.1", tuple(range(7860, 7960)), None),
        ("--nowebui", "127.0.0.1", tuple(range(7860, 7960)), 7861),
        ("--nowebui --port 5000", "127.0.0.1", (5000,), None),
        ("--port 0", "127.0.0.1", (0,), None),
        ("--listen", "0.0.0.0", tuple(range(7860, 7960)), None),
        ("--listen --server-name 10.0.0.1 --port 80", "10.0.0.1", (80,), None),
        ("--server-name ::1", "::1", tuple(range(7860, 7960)), None),
    ],
)
def test_address(line: str, host: str, ports: tuple[int, ...], also: int | None) -> None:
    known = settings(line)
    assert (known.host, known.ports, known.also_port) == (host, ports, also)


def test_defaults() -> None:
    known = settings()
    assert known.users == ()
    assert known.loglevel == "INFO"
    assert known.timeout_keep_alive == 30
    assert known.max_body_bytes == 512 * 1024 * 1024
    assert known.max_pixels == 128 * 1024 * 1024
    assert (known.max_image_size, known.max_queue) == (4096, 1000)
    assert known.graceful_timeout == 30.0
    assert known.precision == "autocast"
    assert known.use_cpu == ()
    assert known.filenames_max_length == 128
    assert known.subpath == ""
    assert known.cors_allow_origins == ()
    switches = (
        known.no_half,
        known.api_log,
        known.freeze_settings,
        known.no_hashing,
        known.hide_ui_dir_config,
    )
    assert not any(switches)


def test_values_are_typed() -> None:
    known = settings(
        "--medvram --lowvram --xformers --opt-channelslast "
        "--no-half --no-half-vae --precision half --use-cpu ALL Interrogate --device-id 1 --max-body-mb 2 "
        "--max-pixels 100 --graceful-timeout 1.5 --loglevel debug --subpath /sd/ --no-hashing "
        "--cors-allow-origins https://a,https://b --cors-allow-origins-regex https://.* --max-queue 3"
    )
    assert known.no_half
    assert known.no_half_vae
    assert known.precision == "half"
    assert known.use_cpu == ("all", "interrogate")
    assert known.device_id == "1"
    assert (known.medvram, known.lowvram, known.xformers, known.opt_channelslast) == (True, True, True, True)
    assert known.max_body_bytes == 2 * 1024 * 1024
    assert known.max_pixels == 100
    assert known.graceful_timeout == 1.5
    assert known.loglevel == "DEBUG"
    assert known.subpath == "/sd"
    assert known.no_hashing
    assert known.cors_allow_origins == ("https://a", "https://b")
    assert known.cors_allow_origins_regex == "https://.*"
    assert known.max_queue == 3


def test_freezing() -> None:
    known = settings(
        "--freeze-settings --freeze-settings-in-sections saving-images,upscaling "
        "--freeze-specific-settings sd_vae,,tiling --hide-ui-dir-config"
    )
    assert known.freeze_settings
    assert known.freeze_settings_in_sections == {"saving-images", "upscaling"}
    assert known.freeze_specific_settings == {"sd_vae", "tiling"}
    assert known.hide_ui_dir_config


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(AttributeError):
        settings().host = "0.0.0.0"  # type: ignore[misc]


def test_data_and_models_folders(here: Path) -> None:
    known = settings()
    assert known.data_dir == here
    assert known.models_dir == here / "models"
    assert known.ui_settings_file == here / "config.json"
    assert known.ckpt == here / "model.ckpt"
    assert known.embeddings_dir == here / "embeddings"
    assert known.lora_dir == here / "models" / "Lora"
    assert known.styles_files == (str(here / "styles.csv"),)
    assert known.scripts_dir == here / "scripts"
    assert (known.ckpt_dir, known.vae_dir, known.vae_path) == (None, None, None)


def test_data_folder_of_launch_py_and_of_the_flag(here: Path) -> None:
    assert settings(SDAPI_DATA_DIR="/srv/sd").models_dir == Path("/srv/sd/models")
    known = settings("--data-dir mine --models-dir /models", SDAPI_DATA_DIR="/srv/sd")
    assert known.data_dir == here / "mine"
    assert known.hypernetwork_dir == Path("/models/hypernetworks")
    assert known.embeddings_dir == here / "mine" / "embeddings"


def test_given_paths_are_absolute_and_taken_as_they_are(here: Path) -> None:
    known = settings("--ckpt-dir a/../b --styles-file x.csv --styles-file /s/*.csv --lora-dir {data}/l")
    assert known.ckpt_dir == here / "b"
    assert known.styles_files == (str(here / "x.csv"), "/s/*.csv")
    assert known.lora_dir == here / "{data}" / "l"


def test_option_defaults_are_relative_only_when_data_are_in_the_current_folder(here: Path) -> None:
    inside = settings().option_defaults
    assert inside["outdir_txt2img_samples"] == os.path.join("outputs", "txt2img-images")
    assert settings("--data-dir data").option_defaults["outdir_save"] == str(here / "data" / "log" / "images")
    outside = settings("--data-dir /srv --enable-console-prompts").option_defaults
    assert outside["outdir_txt2img_grids"] == "/srv/outputs/txt2img-grids"
    assert outside["enable_console_prompts"] is True
    assert inside.keys() <= BY_KEY.keys()
    for key in inside:
        assert inside[key] == BY_KEY[key].default


def test_environment_arguments_come_after_the_command_line() -> None:
    known = settings("--port 1 --api", COMMANDLINE_ARGS="--port 2 --server-name 'a b'")
    assert known.ports == (2,)
    assert known.host == "a b"


def test_environment_arguments_with_an_open_quote(capsys: pytest.CaptureFixture[str]) -> None:
    assert "COMMANDLINE_ARGS cannot be split" in refusal(capsys, COMMANDLINE_ARGS="--port '2")


@pytest.mark.parametrize("flag", ["--api_log", "--api-l", "--api_lo"])
def test_underscores_and_abbreviations(flag: str) -> None:
    assert settings(flag).api_log


def test_abbreviations_of_the_original_that_have_users() -> None:
    assert settings("--lyco-dir /l").lyco_dir_backcompat == Path("/l")
    assert settings("--lyco_dir=/with_underscore").lyco_dir_backcompat == Path("/with_underscore")
    assert settings("--test").flags_reply()["test_server"] is True


def test_flags_of_launch_py_are_accepted() -> None:
    line = (
        "--exit --reinstall-torch --skip-install --skip-prepare-environment --skip-python-version-check "
        "--skip-torch-cuda-test --reinstall-xformers --update-check --update-all-extensions --test-server "
        "--dump-sysinfo --log-startup"
    )
    reply = settings(line).flags_reply()
    assert "exit" not in reply
    assert reply["skip_torch_cuda_test"] is True


def test_unknown_flag(capsys: pytest.CaptureFixture[str]) -> None:
    message = refusal(capsys, "--medvran")
    assert message.count("\n") == 1
    assert "unknown flag --medvran, did you mean --medvram?" in message


def test_unknown_flags_may_be_passed_over() -> None:
    known = settings("--medvran --port 5 word", IGNORE_CMD_ARGS_ERRORS="")
    assert known.ports == (5,)


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["--port", "x"], "--port"),
        (["--port", "65536"], "--port"),
        (["--port", "-1"], "--port"),
        (["--precision", "double"], "--precision"),
        (["--loglevel", "loud"], "expected one of CRITICAL"),
        (["--max-queue", "0"], "--max-queue"),
        (["--graceful-timeout", "inf"], "--graceful-timeout"),
        (["--cors-allow-origins-regex", "("], "not a regular expression"),
        (["--tls-keyfile", __file__], "need each other"),
        (["--tls-keyfile", __file__, "--tls-certfile", "/nope"], "/nope does not exist"),
        (["--gradio-auth-path", "/nope"], "/nope"),
        (["--api-auth"], "expected one argument"),
        (["--dis"], "ambiguous"),
    ],
)
def test_values_that_do_not_fit(argv: list[str], words: str, capsys: pytest.CaptureFixture[str]) -> None:
    message = refusal(capsys, *argv)
    assert words in message
    assert message.count("\n") == 1


@pytest.mark.parametrize(
    "argv",
    [
        ["--api-auth", "hunter"],
        ["--api-auth", "alice:hun", "hunter"],
        ["--ngrok-options", "{hunter"],
        ["--api-auht=alice:hunter"],
    ],
)
def test_refusals_do_not_repeat_secrets(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert "hunter" not in refusal(capsys, *argv)


def test_help_lists_every_flag(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        parse(["--help"], {})
    assert caught.value.code == 0
    text = capsys.readouterr().out
    for name in ("--api-auth", "--max-queue", "--medvram", "--skip-torch-cuda-test"):
        assert name in text


def test_loads_without_anything_heavy() -> None:
    code = (
        "import sys; import sdapi_compat.settings, sdapi_compat.options.store, sdapi_compat.options.infotext;"
        "heavy = {'torch', 'numpy', 'PIL', 'starlette', 'diffusers', 'transformers'};"
        "print(sorted(heavy & sys.modules.keys()))"
    )
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
