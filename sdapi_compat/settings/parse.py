"""argv and environment → Settings."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sdapi_compat.settings.arguments import Parser, build_parser
from sdapi_compat.settings.settings import Settings
from sdapi_compat.settings.table import FLAGS, GROUPS
from sdapi_compat.settings.users import all_users
from sdapi_compat.settings.webhook_secrets import webhook_secrets

HIDDEN = "<hidden>"
DEFAULT_PORTS = range(7860, 7960)
NOWEBUI_PORT = 7861


def parse(argv: Sequence[str], environ: Mapping[str, str]) -> Settings:
    """Settings from the arguments (without the program's name) and the environment.

    COMMANDLINE_ARGS is split as a shell would and appended to argv. SDAPI_DATA_DIR is the data folder where
    --data-dir is not given, SDAPI_WEBHOOK_SECRET the secret where --webhook-secret is not. Underscores in
    flag names count as dashes, and names may be shortened. What is wrong is printed and ends the process with
    status 2 (SystemExit); unknown flags are passed over when IGNORE_CMD_ARGS_ERRORS is set. --help prints the
    table and ends the process with status 0.
    """
    parser = build_parser(GROUPS)
    values = _values(parser, [*argv, *_extra_arguments(parser, environ)], environ)
    values["webhook_secret"] = values["webhook_secret"] or environ.get("SDAPI_WEBHOOK_SECRET")
    return _settings(parser, _with_absolute_paths(values, environ))


def _extra_arguments(parser: Parser, environ: Mapping[str, str]) -> list[str]:
    try:
        return shlex.split(environ.get("COMMANDLINE_ARGS", ""))
    except ValueError as error:
        parser.error(f"COMMANDLINE_ARGS cannot be split: {error}")


def _values(parser: Parser, arguments: Sequence[str], environ: Mapping[str, str]) -> dict[str, Any]:
    known, unknown = parser.parse_known_args([_dashed(argument) for argument in arguments])
    if unknown and "IGNORE_CMD_ARGS_ERRORS" not in environ:
        parser.unknown(unknown)
    return vars(known)


def _dashed(argument: str) -> str:
    if not argument.startswith("--"):
        return argument
    name, equals, value = argument.partition("=")
    return name.replace("_", "-") + equals + value


def _with_absolute_paths(values: Mapping[str, Any], environ: Mapping[str, str]) -> dict[str, Any]:
    data = os.path.abspath(values["data_dir"] or environ.get("SDAPI_DATA_DIR") or os.getcwd())
    models = os.path.abspath(values["models_dir"] or os.path.join(data, "models"))

    def default(path: str) -> str:
        return os.path.abspath(path.replace("{data}", data).replace("{models}", models))

    result = {**values, "data_dir": data}
    for flag in FLAGS:
        given = result[flag.key]
        if flag.kind == "path" and (given or flag.default) is not None:
            result[flag.key] = default(flag.default) if given is None else os.path.abspath(given)
        elif flag.kind == "paths":
            result[flag.key] = [os.path.abspath(p) for p in given or ()] or [default(p) for p in flag.default]
    return result


def _settings(parser: Parser, values: dict[str, Any]) -> Settings:
    data = Path(values["data_dir"])
    return Settings(
        **_address(values),
        **_security(parser, values),
        **_limits(values),
        **_folders(values, data),
        **{key: values[key] for key in PLAIN},
        loglevel=(values["loglevel"] or "INFO").upper(),
        use_cpu=tuple(part.lower() for part in values["use_cpu"]),
        flags=_shown(values),
        option_defaults=_option_defaults(values, data),
    )


# Settings that are just what their flag says.
PLAIN = (
    "log_format",
    "api_log",
    "api_server_stop",
    "webhook_allow_local",
    "cors_allow_origins_regex",
    "timeout_keep_alive",
    "skip_load_model_at_start",
    "freeze_settings",
    "hide_ui_dir_config",
    "disable_all_extensions",
    "disable_extra_extensions",
    "no_prompt_history",
    "filenames_max_length",
    "unix_filenames_sanitization",
    "no_half",
    "no_half_vae",
    "tiled_vae_above",
    "precision",
    "device_id",
    "medvram",
    "lowvram",
    "xformers",
    "opt_channelslast",
    "disable_nan_check",
    "no_hashing",
)


def _address(values: Mapping[str, Any]) -> dict[str, Any]:
    port = values["port"]
    subpath = (values["subpath"] or "").strip("/")
    return {
        "host": values["server_name"] or ("0.0.0.0" if values["listen"] else "127.0.0.1"),
        "ports": tuple(DEFAULT_PORTS) if port is None else (port,),
        "also_port": NOWEBUI_PORT if values["nowebui"] and port is None else None,
        "subpath": f"/{subpath}" if subpath else "",
    }


def _security(parser: Parser, values: Mapping[str, Any]) -> dict[str, Any]:
    certificate, key = (_optional(values[name]) for name in ("tls_certfile", "tls_keyfile"))
    if (certificate is None) != (key is None):
        parser.error("--tls-certfile and --tls-keyfile need each other")
    for path in (certificate, key):
        if path is not None and not path.is_file():
            parser.error(f"{path} does not exist")
    try:
        users = all_users(values)
        secrets = webhook_secrets(values["webhook_secret"])
    except (OSError, ValueError) as error:
        parser.error(str(error))
    return {
        "tls_certfile": certificate,
        "tls_keyfile": key,
        "users": users,
        "webhook_secrets": secrets,
        "cors_allow_origins": _names(values["cors_allow_origins"]),
        "freeze_settings_in_sections": frozenset(_names(values["freeze_settings_in_sections"])),
        "freeze_specific_settings": frozenset(_names(values["freeze_specific_settings"])),
    }


def _limits(values: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "max_body_bytes": values["max_body_mb"] * 1024 * 1024,
        "max_fetch_bytes": values["max_fetch_mb"] * 1024 * 1024,
        "max_pixels": values["max_pixels"],
        "max_image_size": values["max_image_size"],
        "max_queue": values["max_queue"],
        "max_jobs_per_key": values["max_jobs_per_key"],
        "max_batch": 1 if values["no_merge"] else values["max_batch"],
        "watchdog_seconds": values["watchdog_seconds"],
        "graceful_timeout": values["graceful_timeout"],
        "on_disconnect": values["on_disconnect"],
        "jobs_max_age": values["jobs_max_age"] * 3600.0,
        "jobs_max_bytes": values["jobs_max_mb"] * 1024 * 1024,
    }


def _folders(values: Mapping[str, Any], data: Path) -> dict[str, Any]:
    fixed = (
        "ckpt",
        "embeddings_dir",
        "hypernetwork_dir",
        "lora_dir",
        "lyco_dir_backcompat",
        "ui_settings_file",
    )
    return {
        "data_dir": data,
        "models_dir": _optional(values["models_dir"]) or data / "models",
        **{name: _optional(values[name]) for name in ("ckpt_dir", "vae_dir", "vae_path")},
        **{name: Path(values[name]) for name in (*fixed, "scripts_dir", "extensions_dir")},
        "styles_files": tuple(values["styles_file"]),
        "jobs_dir": None if values["no_job_store"] else Path(values["jobs_dir"]),
    }


def _shown(values: Mapping[str, Any]) -> dict[str, Any]:
    """A1111 1.10.1 behaviour: a flag whose default is null is shown as text (port 7860 as "7860")."""
    shown: dict[str, Any] = {}
    for flag in FLAGS:
        value = values[flag.key]
        if flag.listed:
            if flag.secret and value:
                shown[flag.key] = HIDDEN
            else:
                shown[flag.key] = value if value is None or flag.default is not None else str(value)
    return shown


def _option_defaults(values: Mapping[str, Any], data: Path) -> dict[str, Any]:
    """Output folders; as in A1111 1.10.1 relative, but only where they cannot be taken for other places."""
    folders = {
        "outdir_txt2img_samples": "outputs/txt2img-images",
        "outdir_img2img_samples": "outputs/img2img-images",
        "outdir_extras_samples": "outputs/extras-images",
        "outdir_txt2img_grids": "outputs/txt2img-grids",
        "outdir_img2img_grids": "outputs/img2img-grids",
        "outdir_save": "log/images",
        "outdir_init_images": "outputs/init-images",
    }
    base = Path() if data == Path.cwd() else data
    defaults: dict[str, Any] = {key: str(base / folder) for key, folder in folders.items()}
    return {**defaults, "enable_console_prompts": values["enable_console_prompts"]}


def _optional(path: str | None) -> Path | None:
    return None if path is None else Path(path)


def _names(text: str | None) -> tuple[str, ...]:
    return tuple(name.strip() for name in (text or "").split(",") if name.strip())
