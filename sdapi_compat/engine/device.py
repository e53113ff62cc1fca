"""The device's side of the engine: asks in, answers out, by way of the loaded model.

Made and used on the engine's thread only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from sdapi_compat.backend.adapters.shelf import AdapterShelf, version_of
from sdapi_compat.backend.adapters.switch import NetworkSwitch
from sdapi_compat.backend.adapters.wish import AdapterWish, HypernetworkWish
from sdapi_compat.backend.embedding_vectors import EmbeddingVectors
from sdapi_compat.backend.latent_codec import NanPolicy
from sdapi_compat.backend.policy import DeviceFlags, DevicePolicy
from sdapi_compat.backend.shortage import Peak, headroom, shortage
from sdapi_compat.backend.store import ModelStore
from sdapi_compat.backend.tiny_vae import PARTS, TinyVae
from sdapi_compat.engine.asks import Decode, Describe, EncodeImage, EncodeText, Predict
from sdapi_compat.engine.embeddings import KnownEmbeddings
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
    from sdapi_compat.backend.registry_networks import LoraFile
    from sdapi_compat.catalog import Catalog
    from sdapi_compat.engine.asks import Ask
    from sdapi_compat.options.store import OptionsStore
    from sdapi_compat.plan.plan import AdapterChoice, ModelChoice
    from sdapi_compat.prompt.chunks import Chunk
    from sdapi_compat.settings import Settings

TINY_FOLDERS = ("VAE-taesd", "VAE-approx")
UNQUOTED = str.maketrans("", "", ":,")


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
        self._vectors = EmbeddingVectors()
        self._prompts = Remembered()
        self._shelf = AdapterShelf()
        self._networks = NetworkSwitch(self._shelf, torch.device("cpu") if settings.medvram else None)
        self._known: tuple[Hashable, KnownEmbeddings] | None = None
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
            self._networks.release()
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
        self._networks.release()
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
        if isinstance(asks[0], Predict | EncodeText):
            self._adapt(model, asks[0].model)
        with self._peak:
            if isinstance(asks[0], Predict):
                return self._predict(model, [ask for ask in asks if isinstance(ask, Predict)])
            return [self._one(model, ask) for ask in asks]

    def _one(self, model: DiffusionModel, ask: Ask) -> Any:
        match ask:
            case Describe():
                return self._describe(model, ask.model)
            case EncodeText():
                return self._encode_text(model, ask)
            case Decode() if ask.rules.tiny:
                return self._tiny.decode(ask.latents)
            case EncodeImage() if ask.tiny:
                return self._tiny.encode(ask.images, model.latent_channels)
            case Decode():
                model.set_tiling(ask.tiling)
                rules = ask.rules
                policy = NanPolicy(
                    check=rules.check, to_float32=rules.to_float32, to_bfloat16=rules.to_bfloat16
                )
                return model.decode(ask.latents, policy)
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

    def _encode_text(self, model: DiffusionModel, ask: EncodeText) -> Tensor:
        """Encodings are kept by model and tokens, so that a repeated prompt costs nothing."""
        names = {name for prompt in ask.prompts for chunk in prompt for _, name in chunk.embeddings}
        found_files = (self._catalog.embeddings.find(name) for name in sorted(names))
        files = tuple(file for file in found_files if file is not None)
        inserted = tuple((file.path, file.version) for file in files)
        places = tuple(tuple(chunk.embeddings) for prompt in ask.prompts for chunk in prompt)
        adapted = tuple((one, version_of(file)) for one, file in self._adapters(ask.model))
        rules = (ask.clip_skip, ask.emphasis, adapted)
        key = (model.info.path, model.info.version, _texts(ask.prompts), places, inserted, rules)
        found = self._prompts.get(key)
        if found is not None:
            self._tally.prompts_remembered += 1
        else:
            self._tally.prompts_encoded += 1
            vectors = self._vectors.obtain(files)
            found = model.encode_chunks(ask.prompts, ask.clip_skip, ask.emphasis, vectors)
            self._prompts.put(key, found)
        return found

    def _adapters(self, choice: ModelChoice) -> list[tuple[AdapterChoice, LoraFile]]:
        """The adapters that exist. A1111 1.10.1 behaviour: names nobody knows are ignored."""
        found = [(one, self._catalog.loras.find(one.name)) for one in choice.adapters]
        return [(one, file) for one, file in found if file is not None]

    def _adapt(self, model: DiffusionModel, choice: ModelChoice) -> None:
        """Bring the model to exactly the networks that `choice` says; no work when it has them already."""
        wishes = [
            AdapterWish(file, one.text_encoder, one.unet, one.rank) for one, file in self._adapters(choice)
        ]
        found = ((self._catalog.hypernetworks.find(one.name), one) for one in choice.hypernetworks)
        hypernetworks = [HypernetworkWish(file, one.multiplier) for file, one in found if file is not None]
        self._shelf.limit = self._options.snapshot().integer("lora_in_memory_limit")
        self._networks.apply(model, wishes, hypernetworks)

    def _adapter_hashes(self, choice: ModelChoice) -> str:
        names = {one.name: file for one, file in self._adapters(choice)}
        hashes = ((name, file.shorthash(self._catalog.hashes)) for name, file in names.items())
        return ", ".join(f"{name.translate(UNQUOTED)}: {found}" for name, found in hashes if found)

    def _embeddings(self, model: DiffusionModel) -> KnownEmbeddings:
        """The textual inversions on disk that fit the model's text vectors."""
        registry = self._catalog.embeddings
        key = (registry, model.info.path)
        if self._known is None or self._known[0] != key:
            files = registry.split(model.text.width).loaded
            known = KnownEmbeddings(files, model.vocabulary, self._catalog.hashes)
            self._known = (key, known)
        return self._known[1]

    def _describe(self, model: DiffusionModel, choice: ModelChoice) -> ModelFacts:
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
            embeddings=self._embeddings(model),
            adapter_hashes=self._adapter_hashes(choice),
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
