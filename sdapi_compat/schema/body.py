"""Bytes of a request -> Python value.

JSON is read by msgspec, and where that refuses by the standard library, whose wider grammar (NaN, other
encodings than UTF-8) and error texts are what clients of the original see.
"""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import unquote_to_bytes

import msgspec
from msgspec import Struct

from sdapi_compat.errors import InvalidRequest, Problem, SdapiError

FORM = "application/x-www-form-urlencoded"
MOST_FORM_FIELDS = 1000
BASE64_ESCAPES = (
    (b"%2B", b"+"),
    (b"%2b", b"+"),
    (b"%2F", b"/"),
    (b"%2f", b"/"),
    (b"%3D", b"="),
    (b"%3d", b"="),
)
LONGEST_ECHO = 10_000
"""Characters of a malformed body that are repeated in the reply."""


class UnreadableBody(SdapiError):
    """The bytes are no text, or no JSON that can be held: status 400, in FastAPI's own shape."""

    status = 400

    def __init__(self) -> None:
        super().__init__("There was an error parsing the body")

    def body(self) -> dict[str, object]:
        return {"detail": str(self)}


class Form(Struct, frozen=True):
    """An HTML form: every field's texts, in order."""

    fields: dict[str, list[str]]


def read(body: bytes, content_type: str | None) -> Any:
    """The value that `body` holds.

    JSON gives its value, an HTML form a Form, an empty body None, and a body said to be something else its
    bytes, which fit no schema. JSON needs no Content-Type, and is recognised under the form's type (which
    curl sends unasked).

    Raises InvalidRequest for malformed JSON, UnreadableBody for bytes that are no text.
    """
    if not body:
        return None
    kind = essence(content_type)
    if kind is None or is_json(kind):
        return read_json(body)
    if kind == FORM:
        return read_json(body) if body.lstrip()[:1] in (b"{", b"[") else read_form(body)
    return body


def essence(content_type: str | None) -> str | None:
    """ "type/subtype" in small letters without parameters; None where the header is absent or empty."""
    return content_type.partition(";")[0].strip().lower() if content_type else None


def is_json(kind: str) -> bool:
    """application/json, and application/anything+json."""
    main, _, sub = kind.partition("/")
    return main == "application" and (sub == "json" or sub.endswith("+json"))


def read_json(body: bytes) -> Any:
    """The JSON value of `body`."""
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return read_odd_json(body)


def read_odd_json(body: bytes) -> Any:
    """The JSON value of `body` by the standard library: NaN, 1e400, a byte order mark, UTF-16."""
    try:
        value = json.loads(body)
        msgspec.json.encode(value)
    except json.JSONDecodeError as error:
        raise InvalidRequest([malformed(error)]) from None
    except (ValueError, RecursionError):
        # No text, too deep, an endless number, or half a surrogate pair, which no reply could repeat.
        raise UnreadableBody from None
    return value


def malformed(error: json.JSONDecodeError) -> Problem:
    """Where the JSON breaks, as FastAPI 0.94 tells it."""
    ctx: dict[str, object] = {
        "msg": error.msg,
        "doc": error.doc[:LONGEST_ECHO],
        "pos": error.pos,
        "lineno": error.lineno,
        "colno": error.colno,
    }
    return Problem(("body", error.pos), str(error), "value_error.jsondecode", ctx)


def read_form(body: bytes) -> Form:
    """The fields of an HTML form."""
    pairs = body.split(b"&")
    if len(pairs) > MOST_FORM_FIELDS:
        raise UnreadableBody
    fields: dict[str, list[str]] = {}
    for pair in filter(None, pairs):
        name, _, value = pair.partition(b"=")
        fields.setdefault(unescape(name), []).append(unescape(value))
    return Form(fields)


def unescape(text: bytes) -> str:
    """A name or value of a form without its + and %xx.

    The characters of base64 go first, all at once: urllib takes them one by one, seconds for a large picture.
    """
    text = text.replace(b"+", b" ")
    for escaped, plain in BASE64_ESCAPES:
        text = text.replace(escaped, plain)
    try:
        return unquote_to_bytes(text).decode()
    except UnicodeDecodeError:
        raise UnreadableBody from None
