"""An immutable view of all options: defaults, config.json, and the override_settings of one request."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Any

from sdapi_compat.errors import Fault
from sdapi_compat.options.option import Option
from sdapi_compat.options.policy import OPEN, FreezePolicy
from sdapi_compat.options.table import BY_KEY, TABLE
from sdapi_compat.options.values import Value, coerce

NOTHING: Mapping[str, Any] = MappingProxyType({})
TABLE_DEFAULTS: Mapping[str, Value] = MappingProxyType({option.key: option.default for option in TABLE})


class Snapshot(Mapping[str, Any]):
    """All options at one moment. `snapshot[key]` is the stored value, else the default.

    A stored value of the wrong type reads as what `values.coerce` makes of it, or as the default when that is
    nothing. `stored` is the content of config.json, keys unknown to this server included.
    """

    __slots__ = ("_defaults", "_overridden", "_policy", "_set", "_stored", "_values")

    def __init__(
        self,
        stored: Mapping[str, Any],
        defaults: Mapping[str, Any] = NOTHING,
        policy: FreezePolicy = OPEN,
        overridden: Iterable[str] = (),
    ) -> None:
        """`defaults` replaces defaults of the table (folders below another data directory, flags).

        `overridden`: keys of override_settings that were laid over.
        """
        self._stored: Mapping[str, Any] = MappingProxyType(dict(stored))
        self._defaults = defaults
        self._policy = policy
        self._overridden = frozenset(overridden)
        self._set = _readable(stored)
        self._values: dict[str, Value] = {**TABLE_DEFAULTS, **_readable(defaults), **self._set}

    @property
    def stored(self) -> Mapping[str, Any]:
        """What config.json holds, or would hold after the overlay."""
        return self._stored

    @property
    def overridden(self) -> frozenset[str]:
        """The keys that a request named in its override_settings, whether they changed anything or not."""
        return self._overridden

    def __getitem__(self, key: str) -> Any:
        value = self._values[key]
        return list(value) if isinstance(value, tuple) else value

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def text(self, key: str) -> str:
        """The option as text; null reads as ""."""
        value = self._values[key]
        return "" if value is None else str(value)

    def number(self, key: str) -> float:
        """The option as a float. TypeError for an option that is not a number."""
        value = self._values[key]
        if isinstance(value, (bool, int, float)):
            return float(value)
        raise TypeError(f"option {key!r} is not a number")

    def integer(self, key: str) -> int:
        """The option as an int, cut towards zero. TypeError for an option that is not a number."""
        return int(self.number(key))

    def flag(self, key: str) -> bool:
        """The truth of the option."""
        return bool(self._values[key])

    def names(self, key: str) -> list[str]:
        """The option as a list of texts. TypeError for an option that is not a list."""
        value = self._values[key]
        if isinstance(value, tuple):
            return list(value)
        raise TypeError(f"option {key!r} is not a list")

    def overlay(self, changes: Mapping[str, Any]) -> Snapshot:
        """This snapshot with a request's override_settings laid over it; itself when they set no option.

        Raises what `accepted` raises. Nothing is stored, nothing has to be restored.
        """
        over = self.replaced(self.accepted(changes))
        named = self._overridden | {key for key, value in changes.items() if _settable(key, value)}
        if named == self._overridden:
            return over
        return Snapshot(over._stored, self._defaults, self._policy, named)

    def replaced(self, values: Mapping[str, Value]) -> Snapshot:
        """This snapshot with values, already judged, in place of the old ones; itself without values."""
        if not values:
            return self
        plain = {key: list(v) if isinstance(v, tuple) else v for key, v in values.items()}
        return Snapshot({**self._stored, **plain}, self._defaults, self._policy, self._overridden)

    def with_stored(self, stored: Mapping[str, Any]) -> Snapshot:
        """The options that this server had, or would have, with another config.json."""
        return Snapshot(stored, self._defaults, self._policy)

    def accepted(self, changes: Mapping[str, Any]) -> dict[str, Value]:
        """What a request's changes come to: coerced, and only what differs from this snapshot.

        Left out: null (unless it is a value of the option), unchanged values, explanations, restricted
        options and, under --hide-ui-dir-config, paths. Raises Fault "KeyError" for an unknown key that is not
        null, "AssertionError" for a frozen option, "ValueError" for an impossible value. The whole of
        `changes` is judged before the caller can act on any of it.
        """
        judged = ((key, self._judge(key, value)) for key, value in changes.items())
        return {key: verdict[0] for key, verdict in judged if verdict}

    def _judge(self, key: str, value: object) -> tuple[Value] | None:
        option = BY_KEY.get(key)
        if option is None:
            if value is None or (key in self._stored and self._stored[key] == value):
                return None
            raise Fault("KeyError", repr(key))
        if not _settable(key, value):
            return None
        new = None if value is None else _coerced(option, value)
        if new == self._values[key] or self._policy.ignores(option):
            return None
        self._policy.check(option)
        return (new,)

    def as_reply(self) -> dict[str, object]:
        """The body of GET /sdapi/v1/options: every option, in the order of the table.

        A1111 1.10.1 behaviour: an option that was never set shows its default as declared (jpeg_quality 80);
        one that was set, and whose default is a number other than 0, comes as a float (90.0).
        """
        return {key: self._shown(key) for key in self._values}

    def _shown(self, key: str) -> object:
        value = self[key]
        default = BY_KEY[key].default
        if key in self._set and default and isinstance(default, int) and isinstance(value, int):
            return value if isinstance(default, bool) else float(value)
        return value


def _settable(key: str, value: object) -> bool:
    option = BY_KEY.get(key)
    if option is None or option.explanation or option.restricted:
        return False
    return value is not None or option.nullable


def _readable(stored: Mapping[str, Any]) -> dict[str, Value]:
    """The values of known keys, coerced; what cannot be read is left out."""
    values: dict[str, Value] = {}
    for key in stored.keys() & BY_KEY.keys():
        if stored[key] is not None:
            try:
                values[key] = coerce(BY_KEY[key], stored[key])
            except ValueError:
                continue
    return values


def _coerced(option: Option, value: object) -> Value:
    try:
        return coerce(option, value)
    except ValueError as error:
        raise Fault("ValueError", str(error)) from error
