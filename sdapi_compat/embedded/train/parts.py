"""The classes of diffusers and transformers that the training uses.

Their annotations are too incomplete for strict checking, so they are declared as ``Any`` here, once.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import diffusers
import transformers

_diffusers: Any = diffusers
_transformers: Any = transformers

#: Annotations for objects of these classes.
Autoencoder: TypeAlias = Any
Pipeline: TypeAlias = Any
Scheduler: TypeAlias = Any
TextEncoder: TypeAlias = Any
Tokenizer: TypeAlias = Any
Unet: TypeAlias = Any

AutoencoderKL = _diffusers.AutoencoderKL
AutoencoderTiny = _diffusers.AutoencoderTiny
DDPMScheduler = _diffusers.DDPMScheduler
EulerDiscreteScheduler = _diffusers.EulerDiscreteScheduler
StableDiffusionPipeline = _diffusers.StableDiffusionPipeline
UNet2DConditionModel = _diffusers.UNet2DConditionModel
CLIPTextConfig = _transformers.CLIPTextConfig
CLIPTextModel = _transformers.CLIPTextModel
CLIPTokenizer = _transformers.CLIPTokenizer
