"""The samplers and schedulers on offer, and how the names clients send are understood. Torch-free.

Order, names, aliases and option strings are those of A1111 1.10.1's `GET /sdapi/v1/samplers` and
`GET /sdapi/v1/schedulers`.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import msgspec

Family = Literal["sigma", "timestep", "lcm"]
EtaKind = Literal["ancestral", "ddim"]

AUTOMATIC = "Automatic"
NO_RHO = -1.0


class SamplerSpec(msgspec.Struct, frozen=True, kw_only=True):
    """One row of the sampler table.

    `churn` lists which of s_churn, s_tmin, s_tmax, s_noise the method takes; `eta_kind` says which option
    holds its default eta (None: the method has no eta). `cfg_multiplier` scales cfg_scale.
    """

    name: str
    aliases: tuple[str, ...]
    family: Family = "sigma"
    scheduler: str | None = None
    discard_next_to_last_sigma: bool = False
    uses_ensd: bool = False
    second_order: bool = False
    brownian_noise: bool = False
    solver_type: str | None = None
    churn: tuple[str, ...] = ()
    eta_kind: EtaKind | None = None
    cfg_multiplier: float = 1.0

    @property
    def options(self) -> dict[str, str]:
        """The options as GET /sdapi/v1/samplers shows them: every value a string, absent when unset."""
        shown = {
            "scheduler": self.scheduler,
            "discard_next_to_last_sigma": "True" if self.discard_next_to_last_sigma else None,
            "uses_ensd": "True" if self.uses_ensd else None,
            "second_order": "True" if self.second_order else None,
            "brownian_noise": "True" if self.brownian_noise else None,
            "solver_type": self.solver_type,
        }
        return {key: value for key, value in shown.items() if value is not None}

    def total_calls(self, steps: int) -> int:
        """The nominal number of model calls: what prompt editing and skip_early_cond count against."""
        return steps * 2 if self.second_order else steps


class SchedulerSpec(msgspec.Struct, frozen=True):
    """One row of the scheduler table. `default_rho` is -1 where the schedule has no rho."""

    name: str
    label: str
    default_rho: float = NO_RHO
    need_inner_model: bool = False
    aliases: tuple[str, ...] | None = None


_FULL_CHURN = ("s_churn", "s_tmin", "s_tmax", "s_noise")
_NOISE_ONLY = ("s_noise",)

SAMPLERS: tuple[SamplerSpec, ...] = (
    SamplerSpec(name="DPM++ 2M", aliases=("k_dpmpp_2m",), scheduler="karras"),
    SamplerSpec(
        name="DPM++ SDE",
        aliases=("k_dpmpp_sde",),
        scheduler="karras",
        second_order=True,
        brownian_noise=True,
        churn=_NOISE_ONLY,
        eta_kind="ancestral",
    ),
    SamplerSpec(
        name="DPM++ 2M SDE",
        aliases=("k_dpmpp_2m_sde",),
        scheduler="exponential",
        brownian_noise=True,
        churn=_NOISE_ONLY,
        eta_kind="ancestral",
    ),
    SamplerSpec(
        name="DPM++ 2M SDE Heun",
        aliases=("k_dpmpp_2m_sde_heun",),
        scheduler="exponential",
        brownian_noise=True,
        solver_type="heun",
        churn=_NOISE_ONLY,
        eta_kind="ancestral",
    ),
    SamplerSpec(
        name="DPM++ 2S a",
        aliases=("k_dpmpp_2s_a",),
        scheduler="karras",
        uses_ensd=True,
        second_order=True,
        churn=_NOISE_ONLY,
        eta_kind="ancestral",
    ),
    SamplerSpec(
        name="DPM++ 3M SDE",
        aliases=("k_dpmpp_3m_sde",),
        scheduler="exponential",
        discard_next_to_last_sigma=True,
        brownian_noise=True,
        churn=_NOISE_ONLY,
        eta_kind="ancestral",
    ),
    SamplerSpec(
        name="Euler a", aliases=("k_euler_a", "k_euler_ancestral"), uses_ensd=True, eta_kind="ancestral"
    ),
    SamplerSpec(name="Euler", aliases=("k_euler",), churn=_FULL_CHURN),
    SamplerSpec(name="LMS", aliases=("k_lms",)),
    SamplerSpec(name="Heun", aliases=("k_heun",), second_order=True, churn=_FULL_CHURN),
    SamplerSpec(
        name="DPM2",
        aliases=("k_dpm_2",),
        scheduler="karras",
        discard_next_to_last_sigma=True,
        second_order=True,
        churn=_FULL_CHURN,
    ),
    SamplerSpec(
        name="DPM2 a",
        aliases=("k_dpm_2_a",),
        scheduler="karras",
        discard_next_to_last_sigma=True,
        uses_ensd=True,
        second_order=True,
        churn=_NOISE_ONLY,
        eta_kind="ancestral",
    ),
    SamplerSpec(
        name="DPM fast", aliases=("k_dpm_fast",), uses_ensd=True, churn=_NOISE_ONLY, eta_kind="ancestral"
    ),
    SamplerSpec(name="DPM adaptive", aliases=("k_dpm_ad",), uses_ensd=True, eta_kind="ancestral"),
    SamplerSpec(name="Restart", aliases=("restart",), scheduler="karras", second_order=True),
    SamplerSpec(name="DDIM", aliases=("ddim",), family="timestep", eta_kind="ddim"),
    SamplerSpec(
        name="DDIM CFG++",
        aliases=("ddim_cfgpp",),
        family="timestep",
        eta_kind="ddim",
        cfg_multiplier=1 / 12.5,
    ),
    SamplerSpec(name="PLMS", aliases=("plms",), family="timestep"),
    SamplerSpec(name="UniPC", aliases=("unipc",), family="timestep"),
    SamplerSpec(name="LCM", aliases=("k_lcm",), family="lcm"),
)

SCHEDULERS: tuple[SchedulerSpec, ...] = (
    SchedulerSpec("automatic", AUTOMATIC),
    SchedulerSpec("uniform", "Uniform", need_inner_model=True),
    SchedulerSpec("karras", "Karras", default_rho=7.0),
    SchedulerSpec("exponential", "Exponential"),
    SchedulerSpec("polyexponential", "Polyexponential", default_rho=1.0),
    SchedulerSpec("sgm_uniform", "SGM Uniform", need_inner_model=True, aliases=("SGMUniform",)),
    SchedulerSpec("kl_optimal", "KL Optimal"),
    SchedulerSpec("align_your_steps", "Align Your Steps"),
    SchedulerSpec("simple", "Simple", need_inner_model=True),
    SchedulerSpec("normal", "Normal", need_inner_model=True),
    SchedulerSpec("ddim", "DDIM", need_inner_model=True),
    SchedulerSpec("beta", "Beta", need_inner_model=True),
)

SAMPLER_BY_NAME: dict[str, SamplerSpec] = {spec.name: spec for spec in SAMPLERS}
SCHEDULER_BY_TEXT: dict[str, SchedulerSpec] = {spec.name: spec for spec in SCHEDULERS} | {
    spec.label: spec for spec in SCHEDULERS
}


def schedule_type(sampler: str, scheduler: str) -> str | None:
    """The label of the schedule a pass really follows, as its infotext names it; None where it names none."""
    spec = SAMPLER_BY_NAME[sampler]
    if spec.family == "timestep":
        return None
    text = scheduler if scheduler != AUTOMATIC else spec.scheduler or AUTOMATIC
    found = SCHEDULER_BY_TEXT.get(text, SCHEDULERS[0])
    return None if found.label == AUTOMATIC else found.label


class Resolved(NamedTuple):
    """A sampler's display name and a scheduler's label."""

    sampler: str
    scheduler: str


def normalise(sampler: str | None, scheduler: str | None, *, fold_default: bool) -> Resolved:
    """One pass of A1111 1.10.1's reading of a sampler and a scheduler text.

    A scheduler at the end of the sampler text ("DPM++ 2M Karras") wins over the scheduler text. Matching
    is case sensitive; an unknown sampler becomes the first of the table, an unknown scheduler Automatic.
    `fold_default`: call the sampler's own default scheduler "Automatic".
    """
    found = SCHEDULER_BY_TEXT.get(scheduler or AUTOMATIC, SCHEDULERS[0])
    name = sampler or SAMPLERS[0].name
    for spec in SCHEDULERS:
        for suffix in (spec.label, spec.name, *(spec.aliases or ())):
            if name.endswith(f" {suffix}"):
                found, name = spec, name[: -len(suffix) - 1]
                break
    known = SAMPLER_BY_NAME.get(name, SAMPLERS[0])
    if fold_default and known.scheduler == found.name:
        found = SCHEDULERS[0]
    return Resolved(known.name, found.label)


def resolve(sampler: str | None, scheduler: str | None) -> Resolved:
    """What a request's sampler text (sampler_name, else sampler_index) and scheduler text come to.

    A1111 1.10.1 behaviour: the text is normalised twice. A scheduler the request names wins over one
    that hangs on the sampler's name, and a sampler's default that hangs on its name reads "Automatic".
    """
    name, derived = normalise(sampler, scheduler, fold_default=True)
    kept = derived if not scheduler and derived != AUTOMATIC else scheduler
    return normalise(name, kept, fold_default=False)
