"""What is kept of a job."""

from __future__ import annotations

from typing import Any

import msgspec

from sdapi_compat.errors import SdapiError


class NewJob(msgspec.Struct, frozen=True):
    """A job about to be admitted.

    `id` is the client's and not unique. `key` and `fingerprint`: its idempotency key, and what tells another
    request under the same key. `document`: all that is needed to do the job again, opaque here.
    """

    id: str
    owner: str
    kind: str
    created: float
    document: bytes
    key: str | None = None
    fingerprint: str | None = None


class Record(msgspec.Struct, frozen=True):
    """A job as it is stored. Times are Unix seconds; `attempts`: how often it was begun.

    `size`: bytes it takes on disk, `error`: a StoredError in msgpack.
    """

    row: int
    id: str
    owner: str
    kind: str
    state: str
    created: float
    started: float | None
    finished: float | None
    attempts: int
    key: str | None
    fingerprint: str | None
    pictures: int
    size: int
    error: bytes | None

    @property
    def open(self) -> bool:
        """True until it has been answered."""
        return self.finished is None


class Encoded(msgspec.Struct, frozen=True):
    """A picture as a file. `format` is Pillow's name: "PNG", "JPEG", "WEBP", ..."""

    format: str
    data: bytes


class Result(msgspec.Struct, frozen=True):
    """What a job gave, in the parts of its reply. `parameters` is JSON, `info` the text of the reply.

    `sent`: the reply has the pictures; otherwise they are only kept. `linked`: it has their paths instead.
    """

    pictures: list[Encoded]
    parameters: bytes
    info: str
    sent: bool = True
    linked: bool = False

    def pack(self) -> bytes:
        """As bytes, for a file."""
        return msgspec.msgpack.encode(self)

    @classmethod
    def unpack(cls, data: bytes) -> Result:
        """From the bytes of `pack`. ValueError for others."""
        return msgspec.msgpack.decode(data, type=cls)


class StoredError(SdapiError):
    """The error that a job ended with, as it was answered at the time."""

    def __init__(self, status: int, body: dict[str, Any]) -> None:
        super().__init__(str(body))
        self.status = status
        self._body = body

    def body(self) -> dict[str, object]:
        return self._body

    def pack(self) -> bytes:
        """As bytes, for the store."""
        return msgspec.msgpack.encode([self.status, self._body])

    @classmethod
    def of(cls, error: SdapiError) -> StoredError:
        """Any error that a caller is meant to see."""
        return cls(error.status, dict(error.body()))

    @classmethod
    def unpack(cls, data: bytes) -> StoredError:
        """From the bytes of `pack`."""
        status, body = msgspec.msgpack.decode(data, type=tuple[int, dict[str, Any]])
        return cls(status, body)
