"""The exception tree.

    SdapiError
    ├── ApiError        a refusal with its own status: {"error": "HTTPException", "detail": ...}
    │   └── Busy        one for now: the same with a Retry-After header
    ├── Fault           a failure named as the original names it: {"error": name, "errors": message}
    └── InvalidRequest  a body or query that does not fit the schema: 422 {"detail": [{"loc", "msg", "type"}]}

Handlers raise these and never catch them; `app.py` maps them to replies in one table.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from types import MappingProxyType
from typing import NamedTuple


class SdapiError(Exception):
    """Base of every error a caller is meant to see."""

    status: int = 500
    headers: Mapping[str, str] = MappingProxyType({})
    """Of the reply, besides the usual ones."""

    def body(self) -> dict[str, object]:
        """The JSON body of the reply, in the original's shape."""
        raise NotImplementedError


class ApiError(SdapiError):
    """A refusal. A1111 1.10.1 shape of an HTTPException raised inside the API."""

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail

    def body(self) -> dict[str, object]:
        return {"error": "HTTPException", "detail": self.detail, "body": "", "errors": ""}


class Busy(ApiError):
    """A refusal for now: Retry-After says in how many seconds another try may succeed."""

    def __init__(self, status: int, detail: str, retry_after: int) -> None:
        super().__init__(status, detail)
        self.headers = {"Retry-After": str(retry_after)}


class Fault(SdapiError):
    """A failure while doing the work; `name` is the exception class the original would report."""

    def __init__(self, name: str, message: str, status: int = HTTPStatus.INTERNAL_SERVER_ERROR) -> None:
        super().__init__(message)
        self.status = int(status)
        self.name = name
        self.message = message

    def body(self) -> dict[str, object]:
        return {"error": self.name, "detail": "", "body": "", "errors": self.message}


class Problem(NamedTuple):
    """One thing wrong with a request: where (path from "body" or "query"), what, and pydantic's type word.

    `ctx` holds the numbers behind the message (the limit that was passed, the place in the JSON text).
    """

    loc: tuple[str | int, ...]
    msg: str
    type: str
    ctx: dict[str, object] | None = None

    def body(self) -> dict[str, object]:
        """One entry of the 422 reply's `detail`; `ctx` appears only where there is one."""
        entry: dict[str, object] = {"loc": list(self.loc), "msg": self.msg, "type": self.type}
        return entry if self.ctx is None else {**entry, "ctx": self.ctx}


class InvalidRequest(SdapiError):
    """The request does not fit its schema (FastAPI's 422 body)."""

    status = 422

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("; ".join(f"{'.'.join(map(str, p.loc))}: {p.msg}" for p in problems))
        self.problems = tuple(problems)

    def body(self) -> dict[str, object]:
        return {"detail": [problem.body() for problem in self.problems]}
