"""What a running pass shows of itself: its step, and every so many steps a preview."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from sdapi_compat.engine.asks import Decode
from sdapi_compat.errors import SdapiError
from sdapi_compat.plan.plan import DecodeRules

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from torch import Tensor

    from sdapi_compat.engine.asks import Ask
    from sdapi_compat.engine.facts import ModelFacts
    from sdapi_compat.engine.progress import Progress
    from sdapi_compat.plan.output import Preview
    from sdapi_compat.plan.plan import ModelChoice

log = logging.getLogger(__name__)
FULL = DecodeRules(check=False, to_float32=False, to_bfloat16=False, tiny=False)
TINY = DecodeRules(check=False, to_float32=False, to_bfloat16=False, tiny=True)


class Watcher:
    """Told after every model call. `model` gives the model of that moment.

    Latents are only kept, and turned into pictures by whoever looks at them. A preview that needs a network
    is asked for while somebody looks; without its file, or memory for it, the linear map serves.
    """

    def __init__(
        self,
        wish: Preview,
        progress: Progress,
        facts: ModelFacts,
        model: Callable[[], ModelChoice],
        *,
        tiling: bool = False,
    ) -> None:
        self._wish = wish
        self._tiling = tiling
        self._progress = progress
        self._facts = facts
        self._model = model
        self._shown = 0

    def __call__(self, step: int, first: Tensor, uncond: Tensor, result: Tensor) -> Generator[Ask, Any, None]:
        """The denoised latents (B, C, h, w) of one call: conditional, unconditional and guided."""
        wish, progress = self._wish, self._progress
        progress.sampling_step = step
        if not wish.every or step - self._shown < wish.every:
            return
        self._shown = step
        chosen = {"Prompt": first, "Negative prompt": uncond}.get(wish.content, result)
        latents = chosen if wish.grid else chosen[:1]
        pictures = None
        if self._decodes and progress.watched:
            pictures = yield from self._decoded(latents)
        if pictures is None:
            progress.show(latents, self._facts.to_rgb)
        else:
            progress.show(pictures, None)

    @property
    def _decodes(self) -> bool:
        if self._wish.kind == "TAESD":
            return "decoder" in self._facts.tiny
        return self._wish.kind == "Full" and (self._wish.full_always or not self._facts.low_memory)

    def _decoded(self, latents: Tensor) -> Generator[Ask, Any, Tensor | None]:
        rules = FULL if self._wish.kind == "Full" else TINY
        try:
            pictures: Tensor = yield Decode(self._model(), latents, self._tiling, rules)
        except (SdapiError, RuntimeError, MemoryError) as error:
            log.warning("no %s preview: %s", self._wish.kind, error)
            return None
        return pictures
