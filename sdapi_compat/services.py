"""The long-lived objects, made once from the settings and handed on as typed state."""

from __future__ import annotations

import logging
import secrets
import sqlite3
import time
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from sdapi_compat import __version__
from sdapi_compat.backend.registry import CheckpointPlaces
from sdapi_compat.backend.registry_vae import VaePlaces
from sdapi_compat.bundled import bundled
from sdapi_compat.catalog import Catalog, Places
from sdapi_compat.embedded import CHECKPOINT_DIR
from sdapi_compat.engine.engine import Engine
from sdapi_compat.engine.queue import MergeRules
from sdapi_compat.engine.tally import Tally
from sdapi_compat.errors import SdapiError
from sdapi_compat.fetching.fetcher import Fetcher
from sdapi_compat.fetching.rules import Rules
from sdapi_compat.imaging.wire import ImageLimits
from sdapi_compat.jobs.allowance import Allowance
from sdapi_compat.jobs.keeper import Keeper
from sdapi_compat.jobs.retention import Retention
from sdapi_compat.jobs.store import JobStore
from sdapi_compat.metadata.parameters import ParseRules, parameters
from sdapi_compat.metadata.styles import style_extractor
from sdapi_compat.options.policy import FreezePolicy
from sdapi_compat.options.store import OptionsStore
from sdapi_compat.plan.draft import Limits
from sdapi_compat.plan.world import World
from sdapi_compat.prompt import attention
from sdapi_compat.scripting.index import discover
from sdapi_compat.webhooks.outbox import Outbox
from sdapi_compat.webhooks.sender import Sender

if TYPE_CHECKING:
    from collections.abc import MutableMapping
    from concurrent.futures import Future

    from sdapi_compat.engine.device import ModelDevice
    from sdapi_compat.options.snapshot import Snapshot
    from sdapi_compat.scripting.index import ScriptIndex
    from sdapi_compat.settings import Settings

log = logging.getLogger(__name__)
BENCHES = 2
WEBHOOK_SECONDS = 15.0
OUTBOX_FILE = "webhooks.sqlite"


@dataclass(frozen=True)
class Services:
    """What handlers work with. `timings`: seconds of each stage of the start, by name."""

    settings: Settings
    options: OptionsStore
    catalog: Catalog
    engine: Engine
    jobs: Keeper
    scripts: ScriptIndex
    limits: Limits
    timings: MutableMapping[str, float]
    app_id: int = field(default_factory=lambda: secrets.randbelow(2**32))
    workbench: Executor = field(default_factory=lambda: ThreadPoolExecutor(BENCHES, "workbench"))
    """Threads for long work on finished pictures, so that it never holds up short work of other requests."""
    fetcher: Fetcher = field(default_factory=Fetcher)
    """The way to pictures that requests name by URL."""
    webhooks: Sender | None = None
    """None without a secret to sign with."""

    def world(self) -> World:
        """What planning needs to know about this server now."""
        return World(
            models=self.catalog,
            styles=self.catalog.styles,
            data_dir=self.settings.data_dir,
            max_name_length=self.settings.filenames_max_length,
            unix_names=self.settings.unix_filenames_sanitization,
            keep_history=not self.settings.no_prompt_history,
            check_nan=not self.settings.disable_nan_check,
        )

    def read_infotext(self, text: str, snapshot: Snapshot) -> dict[str, object]:
        """An infotext's parameters under the given options (A1111 1.10.1's "paste")."""
        rules = ParseRules(
            attention=attention.parse,
            styles=style_extractor(self.catalog.styles.list()),
            auto_backcompat=snapshot.flag("auto_backcompat"),
            infotext_styles=snapshot.text("infotext_styles"),
            infotext_skip_pasting=snapshot.names("infotext_skip_pasting"),
            use_old_hires_fix_width_height=snapshot.flag("use_old_hires_fix_width_height"),
        )
        return parameters(text, rules)

    def text_width(self) -> int | None:
        """Length of the loaded model's text vectors; None before one is loaded."""
        ready = self.engine.ready
        if not ready.done() or ready.exception() is not None:
            return None
        return ready.result().text_width()

    def preload(self) -> None:
        """Have the engine load the configured model once it is between jobs; a failure is met again later."""
        self.engine.call(self._load_configured).add_done_callback(_report_preload)

    def _load_configured(self, device: ModelDevice) -> None:
        """Of several calls in a row each loads what is configured by then, so that the last choice counts."""
        model = device.load(self.catalog.configured(self.options.snapshot()))
        self.options.record({"sd_checkpoint_hash": model.info.sha256})


def _report_preload(done: Future[None]) -> None:
    error = done.exception()
    if error is not None:
        log.warning("the chosen model could not be loaded: %s", error)


def make_services(settings: Settings) -> Services:
    """Read the folders and config.json, and prepare (not start) the engine."""
    options = OptionsStore(settings.ui_settings_file, _freeze_policy(settings), settings.option_defaults)
    catalog = Catalog(_places(settings), lambda: options.snapshot().flag("list_hidden_files"))
    if catalog.checkpoints.pinned is not None:
        # --ckpt overrides what config.json says, until somebody chooses another.
        options.record({"sd_model_checkpoint": catalog.checkpoints.pinned.title})
    timings: dict[str, float] = {}
    tally = Tally()
    engine = Engine(
        partial(_make_device, settings, options, catalog, timings, tally),
        limit=settings.max_queue,
        rules=MergeRules(settings.max_batch),
        stuck_after=settings.watchdog_seconds,
        tally=tally,
    )
    return Services(
        settings=settings,
        options=options,
        catalog=catalog,
        engine=engine,
        jobs=Keeper(engine, _job_store(settings), Allowance(settings.max_jobs_per_key)),
        scripts=discover(
            dict.fromkeys((bundled("scripts"), settings.scripts_dir)),
            _extension_folders(settings, options.snapshot()),
            options.snapshot().names("disabled_extensions"),
        ),
        limits=Limits(
            ImageLimits(max_pixels=settings.max_pixels, max_bytes=settings.max_body_bytes),
            settings.max_image_size,
        ),
        timings=timings,
        webhooks=_webhooks(settings),
    )


def _job_store(settings: Settings) -> JobStore | None:
    """None where jobs are not to be kept, or cannot be: pictures are made without, too."""
    if settings.jobs_dir is None:
        return None
    try:
        return JobStore(settings.jobs_dir, Retention(settings.jobs_max_age, settings.jobs_max_bytes))
    except (OSError, sqlite3.Error) as error:
        log.warning("jobs are not kept, %s cannot be used: %s", settings.jobs_dir, error)
        return None


def _webhooks(settings: Settings) -> Sender | None:
    """With a fetcher of its own, so that slow receivers hold up no pictures."""
    if not settings.webhook_secrets:
        return None
    rules = Rules(
        local=settings.webhook_allow_local,
        seconds=WEBHOOK_SECONDS,
        user_agent=f"sdapi_compat/{__version__}",
    )
    keys = [secret.key for secret in settings.webhook_secrets]
    return Sender(Fetcher(), keys, rules, outbox=_outbox(settings))


def _outbox(settings: Settings) -> Outbox | None:
    """None where jobs are not kept: then their messages are not, either."""
    if settings.jobs_dir is None:
        return None
    try:
        settings.jobs_dir.mkdir(parents=True, exist_ok=True)
        return Outbox(settings.jobs_dir / OUTBOX_FILE)
    except (OSError, sqlite3.Error) as error:
        log.warning("webhooks do not outlive the server, %s cannot be used: %s", settings.jobs_dir, error)
        return None


def _make_device(
    settings: Settings,
    options: OptionsStore,
    catalog: Catalog,
    timings: MutableMapping[str, float],
    tally: Tally,
) -> ModelDevice:
    """Runs on the engine's thread: import torch, choose the device, load the configured checkpoint."""
    start = time.perf_counter()
    from sdapi_compat.engine.device import ModelDevice

    timings["torch"] = round(time.perf_counter() - start, 3)
    start = time.perf_counter()
    device = ModelDevice(settings, catalog, options, tally)
    if not settings.skip_load_model_at_start:
        try:
            device.load_at_start()
        except SdapiError as error:
            # Other checkpoints may be chosen; whoever asks for this one is told the reason again.
            log.error("the configured checkpoint cannot be loaded: %s", error)
    timings["model"] = round(time.perf_counter() - start, 3)
    return device


def _freeze_policy(settings: Settings) -> FreezePolicy:
    return FreezePolicy(
        everything=settings.freeze_settings,
        sections=settings.freeze_settings_in_sections,
        keys=settings.freeze_specific_settings,
        paths=settings.hide_ui_dir_config,
    )


def _extension_folders(settings: Settings, snapshot: Snapshot) -> dict[Path, None]:
    disabled = snapshot.text("disable_all_extensions")
    if settings.disable_all_extensions or disabled == "all":
        return {}
    only_bundled = settings.disable_extra_extensions or disabled == "extra"
    own = {} if only_bundled else {settings.extensions_dir: None}
    return {bundled("extensions"): None} | own


def _places(settings: Settings) -> Places:
    stable_diffusion = settings.models_dir / "Stable-diffusion"
    return Places(
        checkpoints=CheckpointPlaces(
            models=stable_diffusion,
            ckpt_dir=settings.ckpt_dir,
            ckpt=settings.ckpt,
            embedded=CHECKPOINT_DIR,
        ),
        vaes=VaePlaces(
            checkpoints=stable_diffusion,
            vae=settings.models_dir / "VAE",
            ckpt_dir=settings.ckpt_dir,
            vae_dir=settings.vae_dir,
        ),
        forced_vae=settings.vae_path,
        loras=(settings.lora_dir, settings.lyco_dir_backcompat),
        embeddings=settings.embeddings_dir,
        hypernetworks=settings.hypernetwork_dir,
        styles=tuple(Path(name) for name in settings.styles_files),
        hash_cache=settings.data_dir / "cache" / "hashes.json",
        hashing=not settings.no_hashing,
    )
