"""Making and training embeddings and hypernetworks. The requests are free objects: keyword arguments."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct


class CreateResponse(Struct, frozen=True):
    """Reply of POST /sdapi/v1/create/embedding and /create/hypernetwork."""

    info: Annotated[str, Meta(description="What was made and where, or why not.")]


class TrainResponse(Struct, frozen=True):
    """Reply of POST /sdapi/v1/train/embedding and /train/hypernetwork."""

    info: Annotated[str, Meta(description="The file that was trained, and the error if there was one.")]
