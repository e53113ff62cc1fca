"""The infotext of each image and the info JSON of the whole, from the plan and what the run added."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sdapi_compat.metadata import infotext
from sdapi_compat.plan.build import SPOKEN_VERSION

if TYPE_CHECKING:
    from sdapi_compat.engine.facts import ModelFacts
    from sdapi_compat.plan.plan import Plan


class Reporter:
    """Writes for one plan. `added` collects the pairs that only the run knows (schedule type, padding).

    `input_hash`: the name under which the picture that img2img began with was saved.
    """

    def __init__(self, plan: Plan, facts: ModelFacts, timestamp: str) -> None:
        self._plan = plan
        self._facts = facts
        self._timestamp = timestamp
        self.added: dict[str, Any] = {}
        self.input_hash: str | None = None

    def infotext(self, index: int) -> str:
        """The infotext of image `index` of all."""
        plan = self._plan
        return infotext.write(plan.prompts.positive[index], plan.prompts.negative[index], self._fields(index))

    def _fields(self, index: int) -> dict[str, Any]:
        """The pairs in the original's order; None leaves one out."""
        plan, report, facts = self._plan, self._plan.report, self._facts
        varied = plan.noise.subseed_strength != 0
        width, height = report.seed_resize
        weight = plan.mask_weight if facts.conditioning == "inpaint" else None
        image_cfg = plan.guidance.image_cfg_scale if facts.conditioning == "edit" else None
        fields: dict[str, Any] = {
            "Steps": report.steps,
            "Sampler": plan.sampler.recipe.sampler,
            "Schedule type": report.scheduler,
            "CFG scale": plan.guidance.cfg_scale,
            "Image CFG scale": image_cfg,
            "Seed": plan.seeds[index],
            "Size": f"{plan.width}x{plan.height}",
            "Model hash": facts.hash if report.model_hash else None,
            "Model": _plain(facts.name) if report.model_name else None,
            "VAE hash": facts.vae_hash if report.vae_hash else None,
            "VAE": facts.vae_name if report.vae_name else None,
            "Variation seed": plan.subseeds[index] if varied else None,
            "Variation seed strength": plan.noise.subseed_strength if varied else None,
            "Seed resize from": f"{width}x{height}" if width > 0 and height > 0 else None,
            "Denoising strength": report.extra.get("Denoising strength"),
            "Conditional mask weight": weight,
            "Clip skip": plan.text.clip_skip if plan.text.clip_skip > 1 else None,
            "ENSD": plan.noise.ensd if report.shows_ensd else None,
            "Token merging ratio": plan.token_merging or None,
            "Token merging ratio hr": (plan.hires.token_merging or None) if plan.hires else None,
            "Init image hash": self.input_hash,
            "RNG": plan.noise.source if plan.noise.source != "GPU" else None,
            "Tiling": "True" if plan.tiling else None,
        }
        fields |= {key: _of_image(value, index) for key, value in self._extra().items()}
        fields["Version"] = report.version
        return fields

    def _extra(self) -> dict[str, Any]:
        return self._plan.report.extra | self.added

    def info(self, infotexts: list[str], index_of_first_image: int) -> dict[str, Any]:
        """The info JSON: keys and order of A1111 1.10.1's."""
        plan, report, facts = self._plan, self._plan.report, self._facts
        return {
            "prompt": plan.prompts.positive[0],
            "all_prompts": list(plan.prompts.positive),
            "negative_prompt": plan.prompts.negative[0],
            "all_negative_prompts": list(plan.prompts.negative),
            "seed": plan.seeds[0],
            "all_seeds": list(plan.seeds),
            "subseed": plan.subseeds[0],
            "all_subseeds": list(plan.subseeds),
            "subseed_strength": plan.noise.subseed_strength,
            "width": plan.width,
            "height": plan.height,
            "sampler_name": plan.sampler.recipe.sampler,
            "cfg_scale": plan.guidance.cfg_scale,
            "steps": report.steps,
            "batch_size": plan.batch_size,
            "restore_faces": False,
            "face_restoration_model": None,
            "sd_model_name": facts.name,
            "sd_model_hash": facts.hash,
            "sd_vae_name": facts.vae_name,
            "sd_vae_hash": facts.vae_hash,
            "seed_resize_from_w": report.seed_resize[0],
            "seed_resize_from_h": report.seed_resize[1],
            "denoising_strength": report.denoising_strength,
            "extra_generation_params": {
                key: None if isinstance(value, list) else value for key, value in self._extra().items()
            },
            "index_of_first_image": index_of_first_image,
            "infotexts": infotexts,
            "styles": list(report.styles),
            "job_timestamp": self._timestamp,
            "clip_skip": plan.text.clip_skip,
            "is_using_inpainting_conditioning": facts.conditioning == "inpaint",
            "version": SPOKEN_VERSION,
        }


def _of_image(value: Any, index: int) -> Any:
    return value[index] if isinstance(value, list) else value


def _plain(name: str) -> str:
    """Commas and colons would end the pair for simple readers of infotexts."""
    return name.replace(",", " ").replace(":", " ")
