"""Where the noise of an image comes from: one generator per image, so a batch equals its images alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, Protocol, TypeAlias

import msgspec
import torch
from torch import Tensor

from sdapi_compat.sampling.ask import BrownianSource
from sdapi_compat.sampling.brownian import BrownianNoise
from sdapi_compat.sampling.philox import PhiloxGenerator

Source: TypeAlias = Literal["GPU", "CPU", "NV"]
Shape: TypeAlias = tuple[int, int, int]

_PARALLEL = 0.9995
_NO_ANGLE = 1e-6
_ENTROPY_RANGE = 2**63 - 1


class NoiseSeeds(msgspec.Struct, frozen=True, kw_only=True):
    """What decides the noise of a batch. Torch plays no part in it.

    seeds: one per image. subseeds: variations, mixed in by `subseed_strength` (0: not at all).
    resize_from: (width, height) in pixels of the picture whose noise is pasted into this one, or None; both
    must be positive to count. source: option randn_source. ensd: option eta_noise_seed_delta.
    """

    seeds: tuple[int, ...]
    subseeds: tuple[int, ...] = ()
    subseed_strength: float = 0.0
    resize_from: tuple[int, int] | None = None
    source: Source = "GPU"
    ensd: int = 0


class NoiseStream(Protocol):
    """The noise of one seed; every call draws anew, float32 of `shape`."""

    def __call__(self, shape: Sequence[int], /) -> Tensor: ...


class ImageNoise:
    """The noise of a batch of images of latent shape (C, h, w), on `device`.

    `first` is called once, for the initial noise; `next` serves everything a sampler draws afterwards.
    """

    def __init__(self, shape: Shape, seeds: NoiseSeeds, device: torch.device | str = "cpu") -> None:
        self.shape = shape
        self.seeds = seeds
        self.device = torch.device(device)
        self._streams = [self._stream(seed) for seed in seeds.seeds]

    def first(self) -> Tensor:
        """The initial noise (B, C, h, w) float32: variation seeds and seed resize applied."""
        noise = torch.stack([self._initial(i, seed) for i, seed in enumerate(self.seeds.seeds)])
        if self.seeds.ensd:
            self._streams = [self._stream(seed + self.seeds.ensd) for seed in self.seeds.seeds]
        return noise.to(self.device)

    def next(self) -> Tensor:
        """The next unit noise (B, C, h, w) float32, each image from its own stream."""
        return torch.stack([stream(self.shape) for stream in self._streams]).to(self.device)

    def brownian(self, sigma_min: float, sigma_max: float, *, per_image: bool = True) -> BrownianSource:
        """Brownian noise between noise levels of a range, seeded by the images' seeds.

        `per_image=False` (option no_dpmpp_sde_batch_determinism): one motion for the whole batch, seeded by
        the first draw of a generator that starts from the last image's seed.
        """
        seeds = self.seeds.seeds
        entropies = [seed % 2**64 for seed in seeds] if per_image else [_batch_entropy(seeds[-1])]
        shape = self.shape if per_image else (len(seeds), *self.shape)
        source = self.seeds.source
        like = torch.empty(shape, device=_drawn_on(source, self.device))
        brownian = BrownianNoise(entropies, sigma_min, sigma_max, like, nvidia=source == "NV")

        def between(sigma: float, sigma_next: float, /) -> Tensor:
            noise = brownian(sigma, sigma_next).to(self.device)
            return noise if per_image else noise[0]

        return between

    def _stream(self, seed: int) -> NoiseStream:
        return noise_stream(seed, self.seeds.source, self.device)

    def _initial(self, i: int, seed: int) -> Tensor:
        shape = drawn_shape(self.seeds, self.shape)
        own = self._streams[i]
        noise = own(shape) if shape == self.shape else self._stream(seed)(shape)
        if self.seeds.subseed_strength != 0:
            subseed = self.seeds.subseeds[i] if i < len(self.seeds.subseeds) else 0
            noise = slerp(self.seeds.subseed_strength, noise, self._stream(subseed)(shape))
        return noise if shape == self.shape else paste_centred(own(self.shape), noise)


def noise_stream(seed: int, source: Source, device: torch.device) -> NoiseStream:
    """The noise stream of one seed: torch's generator on `device` or the CPU, or an imitation of NVIDIA's.

    NV tensors lie on the CPU. MPS has no generator of its own worth the name: the CPU's serves it.
    """
    if source == "NV":
        philox = PhiloxGenerator(seed)
        return lambda shape: torch.from_numpy(philox.randn(shape))
    where = _drawn_on(source, device)
    generator = torch.Generator(where).manual_seed(seed)
    return lambda shape: torch.randn(tuple(shape), generator=generator, device=where)


def _drawn_on(source: Source, device: torch.device) -> torch.device:
    return device if source == "GPU" and device.type != "mps" else torch.device("cpu")


def encoder_noise(seeds: NoiseSeeds, shape: Shape, device: torch.device | str = "cpu") -> torch.Generator:
    """The generator for a VAE encoder's noise, on the CPU, as a batch's `first` noise of `shape` leaves it.

    A1111 draws that noise from torch's global CPU generator, which drawing the initial noise leaves seeded
    with the seed of the batch's last image. So for the hires fix, and for what inpainting models are shown;
    use one generator for the whole batch, image after image. Seed resize takes its noise from that generator
    too, when it is drawn on the CPU. Where A1111 leaves the state to what ran before (img2img, and always
    with the NV source) the same rule makes the picture reproducible.
    """
    generator = _seeded(seeds.seeds[-1])
    drawn = drawn_shape(seeds, shape)
    if (
        drawn != shape
        and seeds.source != "NV"
        and _drawn_on(seeds.source, torch.device(device)).type == "cpu"
    ):
        torch.randn(drawn, generator=generator)
    return generator


def _seeded(seed: int) -> torch.Generator:
    return torch.Generator("cpu").manual_seed(seed)


def drawn_shape(seeds: NoiseSeeds, shape: Shape) -> Shape:
    """The shape in which an image's first noise is drawn, before it is pasted into one of `shape`."""
    width, height = seeds.resize_from or (0, 0)
    return shape if height <= 0 or width <= 0 else (shape[0], height // 8, width // 8)


def slerp(t: float, low: Tensor, high: Tensor) -> Tensor:
    """Spherical interpolation of noise (C, h, w), as A1111 1.10.1 does it: along dimension 1, the height.

    Where the two are nearly parallel overall it interpolates linearly with the weights swapped.
    """
    unit_low = low / low.norm(dim=1, keepdim=True)
    unit_high = high / high.norm(dim=1, keepdim=True)
    dot = (unit_low * unit_high).sum(1, keepdim=True)
    if dot.mean() > _PARALLEL:
        return low * t + high * (1 - t)
    omega = dot.clamp(-1, 1).acos()
    sine = omega.sin()
    # A latent one cell high has only parallel and opposite columns: no angle to go through.
    straight = sine < _NO_ANGLE
    from_low = torch.where(straight, 1 - t, ((1 - t) * omega).sin() / sine)
    from_high = torch.where(straight, t, (t * omega).sin() / sine)
    return from_low * low + from_high * high


def paste_centred(canvas: Tensor, noise: Tensor) -> Tensor:
    """`canvas` (C, H, W) with `noise` (C, h, w) over its middle, cropped evenly where it is larger."""
    target, source = zip(*map(_overlap, canvas.shape[1:], noise.shape[1:]), strict=True)
    pasted = canvas.clone()
    pasted[:, target[0], target[1]] = noise[:, source[0], source[1]]
    return pasted


def _overlap(target: int, source: int) -> tuple[slice, slice]:
    """Where a length `source` lies on a length `target`, and which part of it shows."""
    offset = (target - source) // 2
    if offset >= 0:
        return slice(offset, offset + source), slice(0, source)
    length = source + 2 * offset
    return slice(0, length), slice(-offset, length - offset)


def _batch_entropy(seed: int) -> int:
    return int(torch.randint(0, _ENTROPY_RANGE, (), generator=_seeded(seed)))
