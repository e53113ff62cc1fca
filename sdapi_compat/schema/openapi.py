"""Route descriptions and Structs -> an OpenAPI 3.1 document.

Operations and schemas have the names they have in the original's document: clients are generated from it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

import msgspec
from msgspec import Struct

from sdapi_compat.schema.options import title
from sdapi_compat.schema.route_docs import QueryParameter, RouteDoc, Schema, Tag
from sdapi_compat.schema.server import ErrorReply, HTTPValidationError

REFERENCE = "#/components/schemas/{name}"
LOGIN = "HTTPBasic"


class About(Struct, frozen=True):
    """The document's own data. `subpath` is what a proxy puts before all paths; `auth`: a login is needed."""

    title: str
    version: str
    description: str = ""
    subpath: str = ""
    auth: bool = False


class Schemas(Struct, frozen=True):
    """The schemas of all types the routes use: how to refer to each, and those with a name."""

    references: Mapping[Any, Schema]
    named: Mapping[str, Schema]

    def of(self, kind: Any) -> Schema:
        """The schema that stands for `kind`: a type, a schema already, or None for anything."""
        if kind is None:
            return {}
        return kind if isinstance(kind, Mapping) else self.references[kind]


def document(routes: Sequence[RouteDoc], tables: Mapping[str, Schema], about: About) -> dict[str, Any]:
    """The OpenAPI 3.1 document of `routes`.

    `tables` are further named schemas: Options and Flags, by `options.options_schema` and `flags_schema`.
    """
    schemas = collect(routes)
    paths: dict[str, dict[str, Any]] = {}
    for doc in routes:
        paths.setdefault(doc.path, {})[doc.method.lower()] = operation(doc, schemas, about.auth)
    used = {doc.tag for doc in routes}
    components: dict[str, Any] = {"schemas": {**schemas.named, **tables}}
    if about.auth:
        components["securitySchemes"] = {LOGIN: {"type": "http", "scheme": "basic"}}
    return {
        "openapi": "3.1.0",
        "info": {"title": about.title, "version": about.version, "description": about.description},
        **({"servers": [{"url": about.subpath}]} if about.subpath else {}),
        "tags": [{"name": tag.name.lower(), "description": tag.value} for tag in Tag if tag in used],
        "paths": paths,
        "components": components,
    }


def collect(routes: Sequence[RouteDoc]) -> Schemas:
    """The schemas of the types that `routes` take and give, and of the error replies."""
    kinds = [kind for doc in routes for kind in (doc.request, doc.response, *doc.others.values())]
    types = list(dict.fromkeys(k for k in kinds if k is not None and not isinstance(k, Mapping)))
    references, named = msgspec.json.schema_components(
        [*types, HTTPValidationError, ErrorReply], ref_template=REFERENCE
    )
    return Schemas(
        dict(zip(types, references, strict=False)), {name: titled(schema) for name, schema in named.items()}
    )


def titled(schema: Schema) -> dict[str, Any]:
    """`schema` with a title for every property, as FastAPI has it, and without an empty `required`."""
    properties = {name: {"title": title(name), **shape} for name, shape in schema["properties"].items()}
    entries = {key: value for key, value in schema.items() if key != "required" or value}
    return {**entries, "properties": properties}


def operation(doc: RouteDoc, schemas: Schemas, auth: bool) -> dict[str, Any]:
    """One operation of the document."""
    entry: dict[str, Any] = {
        "tags": [doc.tag.name.lower()],
        "summary": doc.summary,
        "operationId": doc.operation_id,
        "responses": responses(doc, schemas, auth),
    }
    if doc.description:
        entry["description"] = doc.description
    if doc.query:
        entry["parameters"] = [parameter(query) for query in doc.query]
    if doc.request is not None:
        entry["requestBody"] = {
            "content": {"application/json": request_content(doc, schemas)},
            "required": True,
        }
    if auth:
        entry["security"] = [{LOGIN: []}]
    return entry


def parameter(query: QueryParameter) -> dict[str, Any]:
    """One parameter of an operation."""
    return {
        "name": query.name,
        "in": query.place,
        "required": query.required,
        "description": query.description,
        "schema": query.schema,
    }


def request_content(doc: RouteDoc, schemas: Schemas) -> dict[str, Any]:
    """The body of an operation: its schema and its examples."""
    content: dict[str, Any] = {"schema": schemas.of(doc.request)}
    if doc.examples:
        content["examples"] = {name: {"value": value} for name, value in doc.examples.items()}
    return content


def responses(doc: RouteDoc, schemas: Schemas, secured: bool) -> dict[str, Any]:
    """The replies of an operation by status."""
    success: dict[str, Any] = {
        "description": "Successful Response",
        "content": {
            doc.media_type: {"schema": response_schema(doc, schemas)},
            **{media: {} for media in doc.files},
        },
    }
    if doc.headers:
        success["headers"] = {
            name: {"description": words, "schema": {"type": "string"}} for name, words in doc.headers.items()
        }
    entries: dict[str, Any] = {"200": success}
    for status, kind in doc.others.items():
        content = {"application/json": {"schema": schemas.of(kind)}}
        entries[str(status)] = {"description": HTTPStatus(status).phrase, "content": content}
    if secured:
        entries["401"] = error("The login is missing or wrong.", ErrorReply)
    entries |= {str(status): error(words, ErrorReply) for status, words in doc.errors.items()}
    if doc.request is not None or any(_can_be_unfit(query) for query in doc.query):
        entries["422"] = error("Validation Error", HTTPValidationError)
    return dict(sorted(entries.items()))


def _can_be_unfit(query: QueryParameter) -> bool:
    """Whether there are values that are refused; a path that does not fit belongs to no route."""
    return query.place != "path" and (query.schema.get("type") != "string" or "enum" in query.schema)


def response_schema(doc: RouteDoc, schemas: Schemas) -> Schema:
    """What an operation answers; an array gets a title, as FastAPI gives it."""
    schema = schemas.of(doc.response)
    if schema.get("type") != "array":
        return schema
    return {"title": f"Response {title(doc.operation_id)}", **schema}


def error(words: str, kind: type[Struct]) -> dict[str, Any]:
    """An error reply of an operation."""
    reference = {"$ref": REFERENCE.format(name=kind.__name__)}
    return {"description": words, "content": {"application/json": {"schema": reference}}}
