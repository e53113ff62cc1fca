"""The command-line table: every flag of A1111 1.10.1, and our own."""

from __future__ import annotations

from sdapi_compat.settings.compute_flags import COMPUTE, LAUNCH
from sdapi_compat.settings.flag import Flag
from sdapi_compat.settings.server_flags import FOLDER_FLAGS, INTERFACE_FLAGS, OURS, SERVER

GROUPS: tuple[tuple[str, tuple[Flag, ...]], ...] = (
    ("Server", SERVER),
    ("Limits and folders the original does not have", OURS),
    ("Folders and files", FOLDER_FLAGS),
    ("Precision, devices and memory", COMPUTE),
    ("Start of the program", LAUNCH),
    ("Browser interface", INTERFACE_FLAGS),
)

FLAGS: tuple[Flag, ...] = tuple(flag for _, flags in GROUPS for flag in flags)
