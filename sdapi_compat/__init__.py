"""A server that speaks the AUTOMATIC1111 stable-diffusion-webui HTTP API on top of diffusers."""

from __future__ import annotations

__version__ = "0.1.0"
