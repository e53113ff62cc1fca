"""What the command line says, typed. Standard library and msgspec only, so that it loads in milliseconds."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import msgspec


class User(msgspec.Struct, frozen=True):
    """Somebody who may use the server. The password is never shown."""

    name: str
    password: str

    def __repr__(self) -> str:
        return f"User(name={self.name!r}, password=<hidden>)"


class WebhookSecret(msgspec.Struct, frozen=True):
    """What webhooks are signed with. Never shown."""

    key: bytes

    def __repr__(self) -> str:
        return "WebhookSecret(<hidden>)"


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """The settings of one server process. Fields are named as their flags; paths are absolute.

    `flags` is every flag of the original as GET /sdapi/v1/cmd-flags shows it, secrets replaced.
    `option_defaults` are the defaults of options that depend on the command line.
    """

    host: str
    ports: tuple[int, ...]
    """The ports to try, in order; the first free one is the server's."""
    also_port: int | None
    """One more port to listen on, if it is free."""

    users: tuple[User, ...]
    """Who may call; empty: everybody."""
    api_log: bool
    api_server_stop: bool
    cors_allow_origins: tuple[str, ...]
    cors_allow_origins_regex: str | None
    tls_certfile: Path | None
    tls_keyfile: Path | None
    subpath: str
    """"" or "/name", without a slash at the end."""
    timeout_keep_alive: int
    """Seconds."""
    loglevel: str
    log_format: Literal["text", "json"]
    skip_load_model_at_start: bool

    webhook_secrets: tuple[WebhookSecret, ...]
    """Empty: no webhooks."""
    webhook_allow_local: bool

    max_body_bytes: int
    max_fetch_bytes: int
    """Of all pictures that one request names by URL."""
    max_pixels: int
    max_image_size: int
    max_queue: int
    max_jobs_per_key: int
    """Of one caller; 0: any number."""
    max_batch: int
    """Pictures that may be in work at once; 1: one generation after the other."""
    watchdog_seconds: float
    """0: no watchdog."""
    graceful_timeout: float
    """Seconds."""
    on_disconnect: Literal["finish", "cancel"]
    jobs_dir: Path | None
    """None: jobs are not kept."""
    jobs_max_age: float
    """Seconds."""
    jobs_max_bytes: int

    freeze_settings: bool
    freeze_settings_in_sections: frozenset[str]
    freeze_specific_settings: frozenset[str]
    hide_ui_dir_config: bool

    data_dir: Path
    models_dir: Path
    ckpt: Path
    """May not exist; then it is not listed."""
    ckpt_dir: Path | None
    vae_dir: Path | None
    vae_path: Path | None
    embeddings_dir: Path
    hypernetwork_dir: Path
    lora_dir: Path
    lyco_dir_backcompat: Path
    styles_files: tuple[str, ...]
    """Absolute, may hold wildcards."""
    ui_settings_file: Path
    scripts_dir: Path
    extensions_dir: Path

    disable_all_extensions: bool
    disable_extra_extensions: bool
    no_prompt_history: bool
    filenames_max_length: int
    unix_filenames_sanitization: bool

    no_half: bool
    no_half_vae: bool
    tiled_vae_above: int
    """Pixels; 0 or less: only when memory runs out."""
    precision: Literal["autocast", "full", "half"]
    use_cpu: tuple[str, ...]
    """Lower-case names of parts; "all" stands for every part."""
    device_id: str | None
    medvram: bool
    lowvram: bool
    xformers: bool
    opt_channelslast: bool
    disable_nan_check: bool
    no_hashing: bool

    flags: dict[str, Any]
    option_defaults: dict[str, Any]

    def flags_reply(self) -> dict[str, Any]:
        """The body of GET /sdapi/v1/cmd-flags."""
        return dict(self.flags)
