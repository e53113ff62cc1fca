"""The order of A1111 release names, as far as infotexts need it."""

from __future__ import annotations

import re

Version = tuple[tuple[int, ...], int, int, int]
"""(release without trailing zeros, pre-release rank, pre-release number, commits after the release)."""

_FINAL = 0
_PRE_RELEASE_RANK = {"a": -3, "alpha": -3, "b": -2, "beta": -2, "c": -1, "rc": -1, "pre": -1, "preview": -1}
_LONGEST = 64

# PEP 440 without epochs and development releases, which no release of the original has.
_VERSION = re.compile(
    r"v?(?P<release>\d+(?:\.\d+)*)"
    r"(?:[-_.]?(?P<pre>alpha|beta|preview|pre|rc|a|b|c)[-_.]?(?P<pre_number>\d*))?"
    r"(?:-(?P<commits>\d+)|(?P<post>[-_.]?post[-_.]?)(?P<post_number>\d*))?"
    r"(?:\+[a-z0-9]+(?:[-_.][a-z0-9]+)*)?",
    re.ASCII | re.IGNORECASE,
)


def parse_version(text: str | None) -> Version | None:
    """`v1.7.0-225-gabc1234` as a comparable value; None for what is no version, such as many forks' names.

    A1111 1.10.1 behaviour: everything from the second "-" on, the commit of `git describe`, is ignored.
    """
    if text is None or len(text) > _LONGEST:
        return None
    found = _VERSION.fullmatch("-".join(text.strip().split("-")[:2]))
    if not found:
        return None
    release = [int(number) for number in found["release"].split(".")]
    while len(release) > 1 and release[-1] == 0:
        release.pop()
    rank = _PRE_RELEASE_RANK[found["pre"].lower()] if found["pre"] else _FINAL
    commits = int(found["commits"] or found["post_number"] or 0) if found["commits"] or found["post"] else -1
    return tuple(release), rank, int(found["pre_number"] or 0), commits
