"""File name patterns: "[seed]-[prompt_spaces]" and their kin expanded over the facts of one picture."""

from __future__ import annotations

import hashlib
import os
import re
import string
from collections.abc import Callable, Mapping
from datetime import datetime, tzinfo
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec
from PIL import Image

DEFAULT_DATE_FORMAT = "%Y%m%d%H%M%S"

_TOKEN = re.compile(r"(.*?)(?:\[([^\[\]]+)\]|$)", re.DOTALL)
_LENGTH = re.compile(r"[0-9]{0,4}")
_NOT_LETTERS = re.compile(r"[\s" + re.escape(string.punctuation) + "]+")
_FORBIDDEN = '#<>:"/\\|?*\n\r\t'
_FORBIDDEN_UNIX = "/"


class NameRules(msgspec.Struct, frozen=True):
    """How names are cleaned and cut, and how many words [prompt_words] takes."""

    max_length: int = 128
    unix: bool = False
    prompt_words: int = 8


class NameFacts(msgspec.Struct, frozen=True):
    """What patterns can say about a picture besides the picture itself.

    `moment` is in the zone the names are to show; `prompt` is after styles, `prompt_no_styles` before;
    `scheduler` is the label ("Automatic" for none); `vae` the VAE's file name; `denoising_strength` None
    where there is none; indices count from 0.
    """

    seed: int
    prompt: str
    moment: datetime
    negative_prompt: str = ""
    prompt_no_styles: str = ""
    styles: tuple[str, ...] = ()
    steps: int = 20
    cfg_scale: float = 7.0
    sampler: str = ""
    scheduler: str = "Automatic"
    model_name: str = ""
    model_hash: str = ""
    vae: str | None = None
    clip_skip: int = 1
    denoising_strength: float | None = None
    all_seeds: tuple[int, ...] = ()
    batch_size: int = 1
    n_iter: int = 1
    batch_index: int = 0
    iteration: int = 0
    job_timestamp: str = ""
    user: str | None = None


class _Subject(msgspec.Struct, frozen=True):
    facts: NameFacts
    image: Image.Image
    rules: NameRules

    def clean(self, text: str, *, spaces: bool = True) -> str:
        return clean_part(text if spaces else text.replace(" ", "_"), self.rules)


# None: the token stays literal. _DROP: the token vanishes with the text before it.
_DROP = object()
_Expander = Callable[[_Subject, tuple[str, ...]], object]


def expand(pattern: str, facts: NameFacts, image: Image.Image, rules: NameRules | None = None) -> str:
    """The pattern with every [token] replaced; unknown tokens stay as they are.

    A1111 1.10.1 behaviour: token names in any case, arguments in angle brackets; a token with nothing to
    say (as [batch_number] in a batch of one) takes the text before it along.
    """
    subject = _Subject(facts, image, rules or NameRules())
    result = ""
    for text, token in _TOKEN.findall(pattern):
        value = _value(token, subject) if token else ""
        if value is not _DROP:
            result += text + (f"[{token}]" if value is None else str(value))
    return result


def clean_part(text: str, rules: NameRules) -> str:
    """Text fit for a file name: forbidden characters become "_", outer spaces and final dots go, length is
    cut.
    """
    forbidden = _FORBIDDEN_UNIX if rules.unix else _FORBIDDEN
    safe = text.translate({ord(letter): "_" for letter in forbidden})
    return safe.lstrip(" ")[: rules.max_length].rstrip(" .")


def next_number(directory: Path, basename: str = "") -> int:
    """One more than the highest number that starts a file name here ("00012-..."; "grid-0012..." for a
    basename).
    """
    prefix = f"{basename}-" if basename else ""
    numbers = [-1]
    for name in os.listdir(directory):
        head = os.path.splitext(name.removeprefix(prefix))[0].partition("-")[0]
        if name.startswith(prefix) and head.isascii() and head.isdigit():
            numbers.append(int(head))
    return max(numbers) + 1


def _value(token: str, subject: _Subject) -> object:
    name, *arguments = token.split("<")
    if not all(argument.endswith(">") and argument.count(">") == 1 for argument in arguments):
        return None
    expander = _TOKENS.get(name.lower())
    return None if expander is None else expander(subject, tuple(argument[:-1] for argument in arguments))


def _digest(data: bytes, arguments: tuple[str, ...], default: int | None) -> str | None:
    length = arguments[0] if arguments else ""
    if not _LENGTH.fullmatch(length):
        return None
    return hashlib.sha256(data).hexdigest()[: int(length) if length else default]


def _hash_of(text: Callable[[NameFacts], str]) -> _Expander:
    return lambda subject, arguments: _digest(text(subject.facts).encode(), arguments, 8)


def _zone(name: str) -> tzinfo | None:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None


def _datetime(subject: _Subject, arguments: tuple[str, ...]) -> str:
    layout = arguments[0] if arguments and arguments[0] else DEFAULT_DATE_FORMAT
    zone = _zone(arguments[1]) if len(arguments) > 1 else None
    moment = subject.facts.moment.astimezone(zone) if zone else subject.facts.moment
    try:
        return subject.clean(moment.strftime(layout))
    except ValueError:
        return subject.clean(moment.strftime(DEFAULT_DATE_FORMAT))


def _prompt_words(subject: _Subject, arguments: tuple[str, ...]) -> str:
    words = [word for word in _NOT_LETTERS.split(subject.facts.prompt) if word] or ["empty"]
    return subject.clean(" ".join(words[: subject.rules.prompt_words]))


def _has_prompt(subject: _Subject, arguments: tuple[str, ...]) -> str:
    prompt, found = subject.facts.prompt.lower(), ""
    for argument in filter(None, arguments):
        expected, *default = argument.split("|")
        found += expected.lower() if expected.lower() in prompt else "".join(default[:1])
    return subject.clean(found, spaces=False)


def _styles(subject: _Subject, arguments: tuple[str, ...]) -> str:
    return subject.clean(", ".join(name for name in subject.facts.styles if name != "None") or "None")


def _sampler_scheduler(subject: _Subject, arguments: tuple[str, ...]) -> str:
    facts = subject.facts
    return subject.clean(
        facts.sampler if facts.scheduler == "Automatic" else f"{facts.sampler} {facts.scheduler}"
    )


def _vae(subject: _Subject, arguments: tuple[str, ...]) -> str:
    if subject.facts.vae is None:
        return "NoneType"
    return subject.facts.vae.lstrip(".").split(".")[0]


def _batch_number(subject: _Subject, arguments: tuple[str, ...]) -> object:
    return _DROP if subject.facts.batch_size == 1 else subject.facts.batch_index + 1


def _generation_number(subject: _Subject, arguments: tuple[str, ...]) -> object:
    facts = subject.facts
    if facts.n_iter == 1 and facts.batch_size == 1:
        return _DROP
    return facts.iteration * facts.batch_size + facts.batch_index + 1


def _seed_first(subject: _Subject, arguments: tuple[str, ...]) -> object:
    facts = subject.facts
    return facts.seed if facts.batch_size == 1 or not facts.all_seeds else facts.all_seeds[0]


def _seed_last(subject: _Subject, arguments: tuple[str, ...]) -> object:
    facts = subject.facts
    return _DROP if facts.batch_size == 1 or not facts.all_seeds else facts.all_seeds[-1]


_TOKENS: Mapping[str, _Expander] = {
    "seed": lambda s, _: s.facts.seed,
    "seed_first": _seed_first,
    "seed_last": _seed_last,
    "steps": lambda s, _: s.facts.steps,
    "cfg": lambda s, _: s.facts.cfg_scale,
    "width": lambda s, _: s.image.width,
    "height": lambda s, _: s.image.height,
    "styles": _styles,
    "sampler": lambda s, _: s.clean(s.facts.sampler),
    "sampler_scheduler": _sampler_scheduler,
    "scheduler": lambda s, _: s.clean(s.facts.scheduler),
    "model_hash": lambda s, _: s.facts.model_hash,
    "model_name": lambda s, _: s.clean(s.facts.model_name),
    "date": lambda s, _: s.facts.moment.strftime("%Y-%m-%d"),
    "datetime": _datetime,
    "job_timestamp": lambda s, _: s.facts.job_timestamp,
    "prompt_hash": _hash_of(lambda facts: facts.prompt),
    "negative_prompt_hash": _hash_of(lambda facts: facts.negative_prompt),
    "full_prompt_hash": _hash_of(lambda facts: f"{facts.prompt} {facts.negative_prompt}"),
    "prompt": lambda s, _: s.clean(s.facts.prompt, spaces=False),
    "prompt_no_styles": lambda s, _: s.clean(s.facts.prompt_no_styles),
    "prompt_spaces": lambda s, _: s.clean(s.facts.prompt),
    "prompt_words": _prompt_words,
    "batch_number": _batch_number,
    "batch_size": lambda s, _: s.facts.batch_size,
    "generation_number": _generation_number,
    "hasprompt": _has_prompt,
    "clip_skip": lambda s, _: s.facts.clip_skip,
    "denoising": lambda s, _: s.facts.denoising_strength or _DROP,
    "user": lambda s, _: s.facts.user,
    "vae_filename": _vae,
    "none": lambda s, _: "",
    "image_hash": lambda s, arguments: _digest(s.image.tobytes(), arguments, None),
}
