"""What a route says about itself."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Any

from msgspec import Struct, field

Schema = Mapping[str, Any]
"""A JSON Schema written out, for what is no Struct."""

ANYTHING: Schema = {}
OPTIONS: Schema = {"$ref": "#/components/schemas/Options"}
FLAGS: Schema = {"$ref": "#/components/schemas/Flags"}
NULL: Schema = {"type": "null"}
EMPTY: Schema = {"type": "object", "maxProperties": 0}


class Tag(Enum):
    """Groups of routes on the documentation pages, in their order; the value is what the group is for."""

    GENERATE = "Make pictures from texts and pictures."
    EXTRAS = "Enlarge, restore, describe and read finished pictures."
    JOBS = "Jobs by their names, while they are done and after."
    PROGRESS = "Follow, stop and skip jobs."
    OPTIONS = "Read and change options, read the command line."
    LISTS = "What there is to choose from."
    MODELS = "Look for new files, load and unload the model."
    SCRIPTS = "Scripts and extensions."
    TRAINING = "Make and train embeddings and hypernetworks."
    SERVER = "Memory, shutdown, and the state of the server."
    COMPATIBILITY = "Routes of the original's page that clients probe."


class QueryParameter(Struct, frozen=True):
    """A parameter in the URL or in the headers. `place`: query, path or header."""

    name: str
    schema: Schema
    description: str
    required: bool = False
    place: str = "query"


class RouteDoc(Struct, frozen=True, kw_only=True):
    """One method of one path.

    `request` and `response` are msgspec types, schemas, or None where there is nothing to tell. `examples`
    are requests that work, by name. `errors` are the meanings of error statuses, whose body is an ErrorReply.
    `headers` are what the reply's own headers mean. `others`: types of replies with another good status.
    `files`: media types a client may prefer to `media_type`, for files.
    """

    method: str
    path: str
    operation_id: str
    tag: Tag
    summary: str
    description: str = ""
    request: Any = None
    response: Any = None
    media_type: str = "application/json"
    query: tuple[QueryParameter, ...] = ()
    examples: Mapping[str, Any] = field(default_factory=dict)
    errors: Mapping[int, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    others: Mapping[int, Any] = field(default_factory=dict)
    files: tuple[str, ...] = ()
