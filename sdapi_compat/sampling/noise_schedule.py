"""The noise schedule a model was trained on: time t, noise level sigma, and the way between them."""

from __future__ import annotations

from bisect import bisect_right

import torch
from torch import Tensor

ZERO_SNR_LAST = 4.8973451890853435e-08

_LCM_STEPS = 50


class NoiseSchedule:
    """The discrete schedule of a model with `alphas_cumprod` (N,), N = 1000, decreasing, on the CPU.

    `sigmas` and `log_sigmas` are float32 (N,), ascending; sigma = sqrt((1 - abar) / abar) is the noise level
    of the variance exploding form, so x0 + sigma * noise equals x_t / sqrt(abar_t).
    `quantize`: sigma_to_t answers whole times (option enable_quantization).
    """

    def __init__(self, alphas_cumprod: Tensor, *, quantize: bool = False) -> None:
        abar = alphas_cumprod.detach().cpu()
        # In the given dtype: A1111 keeps a float16 alphas_cumprod float16 up to and including the logarithm.
        sigmas = ((1 - abar) / abar) ** 0.5
        self.alphas_cumprod = abar
        self.sigmas = sigmas.float()
        self.log_sigmas = sigmas.log().float()
        self.quantize = quantize
        self._log_sigma_list: list[float] = self.log_sigmas.tolist()

    @property
    def sigma_min(self) -> float:
        return float(self.sigmas[0])

    @property
    def sigma_max(self) -> float:
        return float(self.sigmas[-1])

    def t_to_sigma(self, t: Tensor) -> Tensor:
        """Noise levels at (fractional) times `t`: log-linear between the entries of the table."""
        t = t.float()
        low, high, w = t.floor().long(), t.ceil().long(), t.frac()
        return ((1 - w) * self.log_sigmas[low] + w * self.log_sigmas[high]).exp()

    def sigma_to_t(self, sigma: float) -> float:
        """The (fractional) time of a noise level, held inside the table; the inverse of `t_to_sigma`."""
        log_sigma = float(torch.tensor(sigma, dtype=torch.float32).log())
        table = self._log_sigma_list
        low = min(max(bisect_right(table, log_sigma) - 1, 0), len(table) - 2)
        if self.quantize:
            return float((self.log_sigmas - log_sigma).abs().argmin())
        span = table[low + 1] - table[low]
        w = min(max((log_sigma - table[low]) / span, 0.0), 1.0) if span > 0 else 0.0
        return low + w

    def uniform_sigmas(self, n: int) -> Tensor:
        """Noise levels at `n` times evenly spread from the last to the first, and 0: (n + 1,)."""
        levels = self.t_to_sigma(torch.linspace(len(self.sigmas) - 1, 0, n))
        return torch.cat([levels, levels.new_zeros(1)])

    def alpha_bar(self, t: int) -> float:
        """abar at a whole time."""
        return float(self.alphas_cumprod[t])


class LCMSchedule(NoiseSchedule):
    """The 50 times 19, 39, ... 999 a latent consistency model was distilled on (Luo et al. 2023).

    `sigmas` has 50 entries; times are still those of the model's own schedule.
    """

    def __init__(self, alphas_cumprod: Tensor) -> None:
        self._stride = len(alphas_cumprod) // _LCM_STEPS
        super().__init__(alphas_cumprod[self._stride - 1 :: self._stride])

    def sigma_to_t(self, sigma: float) -> float:
        """The distilled time whose (logarithmic) noise level is nearest."""
        log_sigma = torch.tensor(sigma, dtype=torch.float32).log()
        nearest = int((log_sigma - self.log_sigmas).abs().argmin())
        return float(nearest * self._stride + self._stride - 1)

    def t_to_sigma(self, t: Tensor) -> Tensor:
        index = ((t.float() - (self._stride - 1)) / self._stride).clamp(0, len(self.sigmas) - 1)
        return super().t_to_sigma(index)

    def uniform_sigmas(self, n: int) -> Tensor:
        start, end = self.sigma_to_t(self.sigma_max), self.sigma_to_t(self.sigma_min)
        levels = self.t_to_sigma(torch.linspace(start, end, n))
        return torch.cat([levels, levels.new_zeros(1)])


def scaled_linear_alphas_cumprod(start: float = 0.00085, end: float = 0.0120, n: int = 1000) -> Tensor:
    """abar (n,) float32 of Stable Diffusion: betas linear in their square roots, from `start` to `end`."""
    betas = torch.linspace(start**0.5, end**0.5, n, dtype=torch.float64) ** 2
    return torch.cumprod(1 - betas, dim=0).float()


def downcast(alphas_cumprod: Tensor) -> Tensor:
    """abar in float16 (option use_downcasted_alpha_bar)."""
    return alphas_cumprod.half()


def zero_terminal_snr(alphas_cumprod: Tensor) -> Tensor:
    """abar rescaled so that its last entry is (almost) 0 and its first is kept.

    Lin et al. 2024, "Common Diffusion Noise Schedules and Sample Steps are Flawed", Algorithm 1. The last
    entry is a tiny positive number instead of 0, so that the largest sigma stays finite; that number and the
    sigma need float32, also after `downcast`.
    """
    root = alphas_cumprod.float().sqrt()
    first, last = root[0].clone(), root[-1].clone()
    abar: Tensor = ((root - last) * (first / (first - last))) ** 2
    abar[-1] = ZERO_SNR_LAST
    return abar
