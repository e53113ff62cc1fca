"""The device's side of the engine: asks in, answers out, by way of the loaded model.

Made and used on the engine's thread only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from sdapi_compat.backend.latent_codec import NanPolicy
from sdapi_compat.backend.policy import DeviceFlags, DevicePolicy
from sdapi_compat.backend.shortage import Peak, headroom, shortage
from sdapi_compat.backend.store import ModelStore
from sdapi_compat.backend.tiny_vae import PARTS, TinyVae
from sdapi_compat.engine.additions import Additions, vectors_key
from sdapi_compat.engine.asks import Decode, Describe, EncodeImage, EncodeText, Predict
from sdapi_compat.engine.facts import ModelFacts
from sdapi_compat.engine.previews import preview_map
from sdapi_compat.engine.remembered import Remembered
from sdapi_compat.engine.tally import Tally

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

    from sdapi_compat.backend.model import DiffusionModel
    from sdapi_compat.catalog import Catalog
    from sdapi_compat.engine.asks import Ask
    from sdapi_compat.options.store import OptionsStore
    from sdapi_compat.plan.plan import ModelChoice
    from sdapi_compat.prompt.chunks import Chunk
    from sdapi_compat.settings import Settings

TINY_FOLDERS = ("VAE-taesd", "VAE-approx")


class ModelDevice:
    """Implements `engine.Device` with one `ModelStore`."""

    def __init__(
        self, settings: Settings, catalog: Catalog, options: OptionsStore, tally: Tally | None = None
    ) -> None:
        self._catalog = catalog
        self._tally = tally or Tally()
        self._options = options
        policy = DevicePolicy.choose(_flags(settings))
        self._device = policy.device
        self._peak = Peak(self._device)
        self._loaded: ModelChoice | None = None
        self._store = ModelStore(policy, catalog.hashes)
        self._prompts = Remembered()
        self._additions = Additions(catalog, torch.device("cpu") if settings.medvram else None)
        folders = [settings.models_dir / name for name in TINY_FOLDERS]
        self._tiny = TinyVae(folders, policy.device, policy.dtype)
        self._low_memory = policy.offload != "none"
        self._maps: dict[ModelChoice, NDArray[np.float32]] = {}

    def load(self, choice: ModelChoice) -> DiffusionModel:
        """The model of `choice`, loaded if it is not; the catalog and the options learn its hash.

        Fault "RuntimeError" or "FileNotFoundError"; then the model that was loaded stays.
        """
        info, vae = self._catalog.files(choice)
        self._store.limit = self._options.snapshot().integer("sd_checkpoints_limit")
        current = self._store.current
        if current is not None and (current.info.path, current.info.version) != (info.path, info.version):
            # Before another model comes, this one gets its own weights back.
            self._additions.release()
        model = self._store.get(info, vae)
        if model.info.sha256 is not None and info.sha256 is None:
            self._learn(model)
        return model

    def _learn(self, model: DiffusionModel) -> None:
        before = self._catalog.checkpoints.find(model.info.name)
        assert model.info.sha256 is not None
        self._catalog.learn_hash(model.info, model.info.sha256)
        configured = self._options.snapshot().stored.get("sd_model_checkpoint")
        if before is not None and configured in before.aliases:
            # Titles gain the hash at the first load; the option follows, so that clients find it in the list.
            self._options.record({"sd_model_checkpoint": model.info.title})

    def load_at_start(self) -> None:
        """Load what config.json asks for, else the first of the list, and tell the options."""
        choice = self._catalog.configured(self._options.snapshot())
        model = self.load(choice)
        self._options.record(
            {"sd_model_checkpoint": model.info.title, "sd_checkpoint_hash": model.info.sha256}
        )

    def unload(self) -> None:
        """Free the device; the next ask loads again."""
        self._prompts.clear()
        self._additions.release()
        self._store.unload()

    def free(self) -> None:
        """Give back cached memory after a failure."""
        self._store.free()

    @property
    def loaded(self) -> ModelChoice | None:
        """The model that answered last."""
        return self._loaded

    @property
    def peak(self) -> int:
        """Bytes that the last model call needed beyond what was there before; 0 where nobody can say."""
        return self._peak.bytes

    def out_of_memory(self, error: Exception) -> str | None:
        """What was needed and what is free, in words; None for an error that is something else."""
        return shortage(error, self._device)

    def headroom(self) -> int | None:
        """Bytes that could be allocated now."""
        return headroom(self._device)

    def text_width(self) -> int | None:
        """Length of the loaded model's text vectors."""
        return None if self._store.current is None else self._store.current.text.width

    @torch.inference_mode()
    def answer(self, asks: Sequence[Ask]) -> list[Any]:
        """One answer per ask; all asks share a key."""
        model = self.load(asks[0].model)
        self._loaded = asks[0].model
        if isinstance(asks[0], Predict):
            self._adapt(model, asks[0].model)
        with self._peak:
            if isinstance(asks[0], Predict):
                return self._predict(model, [ask for ask in asks if isinstance(ask, Predict)])
            if isinstance(asks[0], Decode):
                return self._decode(model, [ask for ask in asks if isinstance(ask, Decode)])
            return [self._one(model, ask) for ask in asks]

    def _one(self, model: DiffusionModel, ask: Ask) -> Any:
        match ask:
            case Describe():
                return self._describe(model, ask.model)
            case EncodeText():
                return self._encode_text(model, ask)
            case EncodeImage() if ask.tiny:
                return self._tiny.encode(ask.images, model.latent_channels)
            case EncodeImage():
                model.set_tiling(ask.tiling)
                return _encode_image(model, ask)
        raise TypeError(f"unknown ask {type(ask).__name__}")

    def _predict(self, model: DiffusionModel, asks: Sequence[Predict]) -> list[Any]:
        model.set_tiling(asks[0].tiling)
        model.set_token_merging(asks[0].token_merging)
        x, timestep = torch.cat([ask.x for ask in asks]), torch.cat([ask.timestep for ask in asks])
        context = torch.cat([ask.context for ask in asks])
        extras = [ask.extra for ask in asks if ask.extra is not None]
        extra = torch.cat(extras) if extras else None
        if asks[0].noise:
            output = model.predict_noise(x, timestep, context, extra)
        else:
            output = model.denoise(x, torch.cat([ask.sigma for ask in asks]), context, extra, timestep)
        return list(torch.split(output, [ask.x.shape[0] for ask in asks]))

    def _decode(self, model: DiffusionModel, asks: Sequence[Decode]) -> list[Any]:
        latents, rules = torch.cat([ask.latents for ask in asks]), asks[0].rules
        if rules.tiny:
            pictures = self._tiny.decode(latents)
        else:
            model.set_tiling(asks[0].tiling)
            policy = NanPolicy(check=rules.check, to_float32=rules.to_float32, to_bfloat16=rules.to_bfloat16)
            pictures = model.decode(latents, policy)
        return list(torch.split(pictures, [ask.latents.shape[0] for ask in asks]))

    def _encode_text(self, model: DiffusionModel, ask: EncodeText) -> Tensor:
        """Encodings are kept by model and tokens, so that a repeated prompt costs nothing."""
        known = self._additions.embeddings(model, ask.model)
        names = sorted({name for prompt in ask.prompts for chunk in prompt for _, name in chunk.embeddings})
        places = tuple(tuple(chunk.embeddings) for prompt in ask.prompts for chunk in prompt)
        rules = (ask.clip_skip, ask.emphasis, self._additions.adapters_key(ask.model))
        texts = (_texts(ask.prompts), places, vectors_key(known, names))
        key = (model.info.path, model.info.version, texts, rules)
        found = self._prompts.get(key)
        if found is not None:
            self._tally.prompts_remembered += 1
        else:
            self._tally.prompts_encoded += 1
            self._adapt(model, ask.model)
            vectors = self._additions.vectors(known, names)
            found = model.encode_chunks(ask.prompts, ask.clip_skip, ask.emphasis, vectors)
            self._prompts.put(key, found)
        return found

    def _adapt(self, model: DiffusionModel, choice: ModelChoice) -> None:
        self._additions.apply(model, choice, self._options.snapshot().integer("lora_in_memory_limit"))

    def _describe(self, model: DiffusionModel, choice: ModelChoice) -> ModelFacts:
        self._additions.look_again(choice)
        bare = choice.bare()
        if bare not in self._maps:
            self._maps[bare] = preview_map(model)
        vae_hash = None
        if model.vae is not None and self._catalog.hashes is not None:
            vae_hash = self._catalog.hashes.obtain(model.vae.path)[:10]
        return ModelFacts(
            model=choice,
            name=model.info.name_for_extra,
            short_title=model.info.short_title,
            hash=model.info.shorthash,
            vae_name=model.vae_name,
            vae_hash=vae_hash,
            conditioning=model.conditioning,
            latent_channels=model.latent_channels,
            device=model.device,
            schedule=model.noise_schedule,
            vocabulary=model.vocabulary,
            embeddings=self._additions.embeddings(model, choice),
            adapter_hashes=self._additions.adapter_hashes(choice),
            to_rgb=self._maps[bare],
            tiny=frozenset(part for part in PARTS if self._tiny.find(part)),
            low_memory=self._low_memory,
        )


def _texts(prompts: Sequence[Sequence[Chunk]]) -> Hashable:
    return tuple(tuple((*chunk.tokens, *chunk.weights) for chunk in prompt) for prompt in prompts)


def _encode_image(model: DiffusionModel, ask: EncodeImage) -> Tensor:
    if ask.noise is None:
        return model.encode_mode(ask.images)
    generator = ask.noise
    before = generator.get_state()
    try:
        return model.encode(ask.images, lambda shape: torch.randn(shape, generator=generator))
    except BaseException:
        # Asked again, after a shortage of memory, it must draw the same noise.
        generator.set_state(before)
        raise


def _flags(settings: Settings) -> DeviceFlags:
    return DeviceFlags(
        no_half=settings.no_half,
        no_half_vae=settings.no_half_vae,
        precision=settings.precision,
        use_cpu=tuple(settings.use_cpu),
        device_id=settings.device_id,
        medvram=settings.medvram,
        lowvram=settings.lowvram,
        xformers=settings.xformers,
        opt_channelslast=settings.opt_channelslast,
        tiled_vae_above=settings.tiled_vae_above,
    )
