"""Every route's description, in the order of the documentation pages."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from types import MappingProxyType

from sdapi_compat.schema.route_docs import RouteDoc
from sdapi_compat.schema.routes_generation import EXTRAS, GENERATION, PROGRESS
from sdapi_compat.schema.routes_jobs import JOBS
from sdapi_compat.schema.routes_lists import LISTS, MODELS, SCRIPTS, SETTINGS
from sdapi_compat.schema.routes_server import COMPATIBILITY, SERVER, TRAINING

ROUTES: tuple[RouteDoc, ...] = (
    *GENERATION,
    *EXTRAS,
    *JOBS,
    *PROGRESS,
    *SETTINGS,
    *LISTS,
    *MODELS,
    *SCRIPTS,
    *TRAINING,
    *SERVER,
    *COMPATIBILITY,
)

BY_ID: Mapping[str, RouteDoc] = MappingProxyType({doc.operation_id: doc for doc in ROUTES})


def described(mounted: Collection[tuple[str, str]]) -> tuple[RouteDoc, ...]:
    """The descriptions of the (method, path) pairs that the server has, in the order of the pages."""
    return tuple(doc for doc in ROUTES if (doc.method, doc.path) in mounted)
