"""Pure-ASGI middleware: process time, access log, bounds of request bodies, other sites, users, subpath."""

from __future__ import annotations

from sdapi_compat.middleware.body import RequestBody
from sdapi_compat.middleware.origins import OtherSites
from sdapi_compat.middleware.subpath import Subpath
from sdapi_compat.middleware.users import BasicAuth
from sdapi_compat.middleware.watching import AccessLog, ProcessTime

__all__ = ["AccessLog", "BasicAuth", "OtherSites", "ProcessTime", "RequestBody", "Subpath"]
