"""The command line: the table of flags, and the settings of one server process read from it."""

from sdapi_compat.settings.parse import parse
from sdapi_compat.settings.settings import Settings, User

__all__ = ["Settings", "User", "parse"]
