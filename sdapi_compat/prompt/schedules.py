"""Prompt editing `[before:after:when]` and alternation `[a|b]`: which text holds at which step.

    text       = { run | group | scheduled | alternate }
    run        = characters other than \\ [ ] ( ) : |, or a backslash and any character but a newline
    group      = "(" text ")" | "(" text ":" text ")" | "[" text "]"      stays as it is written
    scheduled  = "[" [ text ":" ] text ":" number "]"                     spaces around the number are free
    alternate  = "[" text "|" text { "|" text } "]"

Outside all of these, stray brackets and colons are literal. A stray "|" or backslash is not: then nothing in
the text is scheduled.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Sequence
from itertools import pairwise
from operator import attrgetter
from typing import NamedTuple, TypeAlias

_TOKEN = re.compile(r"(?P<run>[^\\\[\]():|]+|\\.)|(?P<special>[\[\]():|])|\\")
_NUMBER = re.compile(r"\s*([+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)\s*")
# What every scheduled or alternate form has in it.
_SIGN = re.compile(rf":{_NUMBER.pattern}\]|\|")
# Further than any pass goes, but finite, unlike "1e999".
_FAR = 1e12
_OPENING = {")": "(", "]": "["}


class ScheduleSteps(NamedTuple):
    """What "when" counts in: denoiser calls, two per step for second-order samplers.

    `steps` is the number of calls of the pass at hand; `first_pass_steps` is None in the first pass and the
    first pass's number of calls in the hires pass; `old` is the option `use_old_scheduling`.
    """

    steps: int
    first_pass_steps: int | None = None
    old: bool = False

    @property
    def total(self) -> int:
        """The step a schedule ends at. The old mode schedules the hires pass by the first pass's numbers."""
        if self.old and self.first_pass_steps is not None:
            return self.first_pass_steps
        return self.steps

    def switch_after(self, number: str) -> int:
        """The last step of "before" for a number as it is written in the prompt; below 1 means never.

        A1111 1.10.1 behaviour: a number with a dot is a fraction of the pass, in the hires pass counted from
        1.0; a number without one counts calls from the start of the first pass, so "1.0" is the whole pass
        and "1" one call. In the old mode a number below 1 is the fraction.
        """
        value = max(-_FAR, min(float(number), _FAR))
        if self.old:
            value = value * self.total if value < 1 else value
        elif "." in number:
            value = (value if self.first_pass_steps is None else value - 1.0) * self.total
        elif self.first_pass_steps is not None:
            value -= self.first_pass_steps
        return int(min(value, self.total))


class ScheduledText(NamedTuple):
    """The text that holds up to and including step `end_at_step`."""

    end_at_step: int
    text: str


class _Switch(NamedTuple):
    before: Sequence[_Part]
    after: Sequence[_Part]
    last_before: int

    def at(self, step: int) -> Sequence[_Part]:
        return self.before if step <= self.last_before else self.after


class _Cycle(NamedTuple):
    options: Sequence[Sequence[_Part]]

    def at(self, step: int) -> Sequence[_Part]:
        return self.options[(step - 1) % len(self.options)]


_Part: TypeAlias = "str | _Switch | _Cycle"


def expand(text: str, steps: ScheduleSteps) -> tuple[ScheduledText, ...]:
    """The texts of one prompt over a pass, sorted by `end_at_step`, the last one ending at `steps.total`.

    A1111 1.10.1 behaviour: an entry for every step something switches after, alternation switching after
    each; entries with equal texts are kept apart, because all of them take part in normalising the emphasis.
    """
    if _SIGN.search(text) is None:
        return (ScheduledText(steps.total, text),)
    parser = _Parser(steps)
    tokens = _TOKEN.finditer(text)
    if not (all(parser.take(token) for token in tokens) and parser.finish()):
        return (ScheduledText(steps.total, text),)
    return tuple(ScheduledText(end, _text_at(parser.parts, end)) for end in parser.ends())


def old_differs(text: str, steps: ScheduleSteps) -> bool:
    """Whether the option `use_old_scheduling` changes anything about a text in this pass."""
    return expand(text, steps._replace(old=True)) != expand(text, steps._replace(old=False))


def index_at(schedule: Sequence[ScheduledText], call: int) -> int:
    """Index of the entry in force at denoiser call `call`, counted from 0.

    A1111 1.10.1 behaviour: the first entry whose end is not below the call, or entry 0 if there is none.
    Steps count from 1 but calls from 0, so the first entry holds for one call more than its end says.
    """
    index = bisect_left(schedule, call, key=attrgetter("end_at_step"))
    return index if index < len(schedule) else 0


def _text_at(parts: Sequence[_Part], step: int) -> str:
    texts: list[str] = []
    pending = [*reversed(parts)]
    while pending:
        part = pending.pop()
        if isinstance(part, str):
            texts.append(part)
        else:
            pending.extend(reversed(part.at(step)))
    return "".join(texts)


class _Open(NamedTuple):
    """An open bracket: its index among the parts, and those of the colons and bars directly inside it."""

    bracket: str
    start: int
    colons: list[int]
    bars: list[int]


class _Parser:
    """Builds the parts of a text in one pass.

    All brackets, colons and bars first go into `parts` as literal text; a closing bracket that completes a
    scheduled or alternate form replaces them and what they enclose by one part. Since every form holds
    complete forms only, a pair that is none makes the brackets around it stray as well.
    """

    def __init__(self, steps: ScheduleSteps) -> None:
        self.parts: list[_Part] = []
        self._switches = {steps.total}
        self._alternates = False
        self._steps = steps
        self._open: list[_Open] = []

    def take(self, token: re.Match[str]) -> bool:
        """Add a token; False if the text as a whole is outside the grammar."""
        symbol = token["special"]
        valid = bool(token.lastgroup)
        if symbol in ("(", "["):
            self._open.append(_Open(symbol, len(self.parts), [], []))
        elif symbol == ":" and self._open:
            self._open[-1].colons.append(len(self.parts))
        elif symbol == "|":
            valid = bool(self._open)
            if valid:
                self._open[-1].bars.append(len(self.parts))
        elif symbol in (")", "]"):
            return self._close(symbol)
        self.parts.append(token[0])
        return valid

    def finish(self) -> bool:
        """Make all open brackets stray; False if that leaves a stray bar."""
        stray_bar = any(pair.bars for pair in self._open)
        self._open.clear()
        return not stray_bar

    def ends(self) -> Sequence[int]:
        """The steps after which the text changes, and the last one."""
        every_step = range(1, self._steps.total + 1) if self._alternates else ()
        return sorted(self._switches.union(every_step))

    def _close(self, symbol: str) -> bool:
        if not (self._open and self._open[-1].bracket == _OPENING[symbol]):
            self.parts.append(symbol)
            return self.finish()
        pair = self._open.pop()
        form = self._form(pair)
        if form is not None:
            del self.parts[pair.start :]
            self.parts.append(form)
            return True
        self.parts.append(symbol)
        is_group = len(pair.colons) <= (1 if pair.bracket == "(" else 0)
        return not pair.bars and (is_group or self.finish())

    def _form(self, pair: _Open) -> _Switch | _Cycle | None:
        if pair.bracket == "(" or (pair.bars and pair.colons):
            return None
        if pair.bars:
            self._alternates = True
            return _Cycle(self._sections(pair.start, pair.bars))
        return self._switch(self._sections(pair.start, pair.colons)) if len(pair.colons) in (1, 2) else None

    def _sections(self, start: int, marks: list[int]) -> list[list[_Part]]:
        bounds = [start, *marks, len(self.parts)]
        return [self.parts[left + 1 : right] for left, right in pairwise(bounds)]

    def _switch(self, sections: list[list[_Part]]) -> _Switch | None:
        *texts, number = sections
        match = _NUMBER.fullmatch(number[0]) if len(number) == 1 and isinstance(number[0], str) else None
        if match is None:
            return None
        last_before = self._steps.switch_after(match[1])
        if last_before >= 1:
            self._switches.add(last_before)
        return _Switch(texts[0] if len(texts) == 2 else [], texts[-1], last_before)
