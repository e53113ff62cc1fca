"""The text form: writing, quoting, taking apart, and that nothing hostile makes it slow."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sdapi_compat.metadata.infotext import extended, parse, parse_pairs, quote, unquote, write

# Written by A1111 1.10.1.
APPLE = (
    "a red apple on a wooden table, oil painting\nNegative prompt: blurry\n"
    "Steps: 6, Sampler: DPM++ 2M, Schedule type: Karras, CFG scale: 7.0, Seed: 1234, Size: 64x64, "
    "Model hash: 9772f43a29, Model: tinysd, RNG: CPU, Version: v1.10.1"
)
NO_PROMPT = (
    "Steps: 6, Sampler: Euler, Schedule type: Automatic, CFG scale: 7.0, Seed: 1234, Size: 64x64, "
    "Model hash: 9772f43a29, Model: tinysd, RNG: CPU, Version: v1.10.1"
)
TWO_LINES = (
    "a red\napple\ton   a table\nNegative prompt: blurry\nSteps: 6, Sampler: Euler, "
    "Schedule type: Automatic, CFG scale: 7.0, Seed: 1234, Size: 64x64, Model hash: 9772f43a29, "
    "Model: tinysd, RNG: CPU, Version: v1.10.1"
)
EMBEDDINGS = (
    "a (tinyti:1.2) thing\nNegative prompt: tinyemb\nSteps: 6, Sampler: Euler, Schedule type: Automatic, "
    "CFG scale: 7.0, Seed: 1234, Size: 64x64, Model hash: 9772f43a29, Model: tinysd, RNG: CPU, "
    'TI hashes: "tinyti: f0546e9db8bb, tinyemb: 5157a7e057da", Version: v1.10.1'
)
HIRES = (
    "a red apple on a wooden table, oil painting\nNegative prompt: blurry\nSteps: 5, Sampler: Euler, "
    "Schedule type: Automatic, CFG scale: 7.0, Seed: 1234, Size: 64x64, Model hash: 9772f43a29, "
    "Model: tinysd, Denoising strength: 0.6, RNG: CPU, Hires resize: 112x80, Hires upscaler: Latent, "
    "Version: v1.10.1"
)
REAL = [APPLE, NO_PROMPT, TWO_LINES, EMBEDDINGS, HIRES]


def test_write_prints_what_the_original_prints() -> None:
    fields = {
        "Steps": 6,
        "Sampler": "DPM++ 2M",
        "Schedule type": "Karras",
        "CFG scale": 7.0,
        "Image CFG scale": None,
        "Seed": 1234,
        "Size": "64x64",
        "Model hash": "9772f43a29",
        "Model": "tinysd",
        "RNG": "CPU",
        "Version": "v1.10.1",
    }
    assert write("a red apple on a wooden table, oil painting", "blurry", fields) == APPLE


def test_write_without_prompts_is_the_pair_line_alone() -> None:
    assert write("", "", {"Steps": 6, "Tiling": True}) == "Steps: 6, Tiling: True"


def test_write_without_fields_is_the_prompts_alone() -> None:
    assert write(" a cat ", "dog", {}) == "a cat \nNegative prompt: dog"


def test_write_prints_the_key_alone_when_the_value_is_the_key() -> None:
    assert write("a", "", {"Restore": "Restore", "Steps": 1}) == "a\nRestore, Steps: 1"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("plain text", "plain text"),
        ('half "quoted"', 'half "quoted"'),
        (7, "7"),
        (7.0, "7.0"),
        (1e-05, "1e-05"),
        (True, "True"),
        ("a,b", '"a,b"'),
        ("a: b", '"a: b"'),
        ("a\nb", r'"a\nb"'),
        ('say "x", é', r'"say \"x\", é"'),
        (["a", "b"], '["a", "b"]'),
        ([1.5, 2], "[1.5, 2]"),
    ],
)
def test_quote(value: object, text: str) -> None:
    assert quote(value) == text


def test_quote_falls_back_to_str_inside_json() -> None:
    assert quote({"a": {1}}) == '{"a": "{1}"}'


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (r'"a\nb, \"c\" é"', 'a\nb, "c" é'),
        ('""', ""),
        ('"', '"'),
        ("", ""),
        ('"open', '"open'),
        (r'"bad \q escape"', r'"bad \q escape"'),
        ('"tab\there"', '"tab\there"'),
        (r'"half \ud800 pair"', r'"half \ud800 pair"'),
        ('"\ud800"', '"\ud800"'),
    ],
)
def test_unquote(text: str, value: str) -> None:
    assert unquote(text) == value


@pytest.mark.parametrize(
    ("line", "pairs"),
    [
        ("Steps: 20, Sampler: Euler a", [("Steps", "20"), ("Sampler", "Euler a")]),
        ("Steps:20,Size:1x2", [("Steps", "20"), ("Size", "1x2")]),
        ('A b: "x, yy: z" , C d: 1', [("A b", '"x'), ("yy", 'z" '), ("C d", "1")]),
        ('A b: "x, y: z", C d: 1', [("A b", '"x, y: z"'), ("C d", "1")]),
        (r'Hash: "a \" b, c", Other: 1', [("Hash", r'"a \" b, c"'), ("Other", "1")]),
        ("K: too short, OK: fine", [("OK", "fine")]),
        ("-/ key: v", [("key", "v")]),
        ("key-1/a b: v ", [("key-1/a b", "v ")]),
        ("(red:1.2), ab: 1", [("red", "1.2)"), ("ab", "1")]),
        ("ab: , cd: 2", [("ab", ""), ("cd", "2")]),
        ("ab: c: d, ef: 3", [("ab", "c: d"), ("ef", "3")]),
        ("Größe: 3, 模型: é", [("Größe", "3"), ("模型", "é")]),
        ('ab: "" tail, cd: ""', [("ab", '"" tail'), ("cd", '""')]),
        ("no pairs here", []),
        ("", []),
    ],
)
def test_parse_pairs(line: str, pairs: list[tuple[str, str]]) -> None:
    assert parse_pairs(line) == pairs


# The grammar as one expression: right, but quadratic on long runs of word characters or spaces.
GRAMMAR = re.compile(r'\s*(\w[\w \-/]+):\s*("(?:\\.|[^\\"])+"|[^,]*)(?:,|\Z)')


@settings(max_examples=400, deadline=None)
@given(st.text(alphabet='ab:, "\\-/x1\té.', max_size=40))
def test_parse_pairs_finds_what_the_grammar_describes(line: str) -> None:
    assert parse_pairs(line) == GRAMMAR.findall(line)


@pytest.mark.parametrize("text", REAL)
def test_real_infotexts_survive_a_round_trip(text: str) -> None:
    read = parse(text)
    fields = dict(read.fields)
    joined = {}
    for key in fields:
        if key.endswith("-2"):
            continue
        name = key.removesuffix("-1")
        joined[name] = fields[key] if name == key else f"{fields[key]}x{fields[name + '-2']}"
    assert write(read.prompt, read.negative_prompt, joined) == text


def test_parse_real_hires_text() -> None:
    read = parse(HIRES)
    assert read.prompt == "a red apple on a wooden table, oil painting"
    assert read.negative_prompt == "blurry"
    assert list(read.fields) == [
        *(
            "Steps",
            "Sampler",
            "Schedule type",
            "CFG scale",
            "Seed",
            "Size-1",
            "Size-2",
            "Model hash",
            "Model",
        ),
        *("Denoising strength", "RNG", "Hires resize-1", "Hires resize-2", "Hires upscaler", "Version"),
    ]
    assert (read.fields["Hires resize-1"], read.fields["Hires resize-2"]) == ("112", "80")


def test_parse_unquotes() -> None:
    assert parse(EMBEDDINGS).fields["TI hashes"] == "tinyti: f0546e9db8bb, tinyemb: 5157a7e057da"


def test_parse_without_prompt() -> None:
    read = parse(NO_PROMPT)
    assert (read.prompt, read.negative_prompt, read.fields["Steps"]) == ("", "", "6")


def test_a_last_line_with_two_pairs_is_prompt() -> None:
    assert parse("a cat\nSteps: 1, Seed: 2") == parse("a cat\n Steps: 1, Seed: 2 \n")
    assert parse("a cat\nSteps: 1, Seed: 2").prompt == "a cat\nSteps: 1, Seed: 2"
    assert parse("a cat\nSteps: 1, Seed: 2").fields == {}


def test_lines_are_stripped_and_everything_after_the_prefix_is_negative() -> None:
    read = parse("\n\n a \n\n b \nNegative prompt:  c \n Negative prompt: d\n e\nAb: 1, Cd: 2, Ef: 3")
    assert read.prompt == "a\n\nb"
    assert read.negative_prompt == "c\nd\ne"
    assert read.fields == {"Ab": "1", "Cd": "2", "Ef": "3"}


def test_a_negative_prompt_may_begin_on_the_next_line() -> None:
    assert parse("a\nNegative prompt:\n\nb").negative_prompt == "b"


def test_empty_values_are_dropped_and_later_values_win() -> None:
    read = parse("Ab: , Cd: 1, Ef: 2, Cd: 3")
    assert read.fields == {"Cd": "3", "Ef": "2"}


@pytest.mark.parametrize("value", ["64X64", "64x", "x64", "1x2x3", "a64x64", "64 x 64"])
def test_only_two_whole_numbers_are_a_resolution(value: str) -> None:
    assert parse(f"Size: {value}, Ab: 1, Cd: 2").fields["Size"] == value


def test_empty_text() -> None:
    assert parse("") == parse(" \n\t ")
    assert parse("").prompt == ""


MEGABYTE = 1_000_000
HOSTILE = {
    "word": "a" * MEGABYTE,
    "words": "a " * (MEGABYTE // 2),
    "words then colon": "a" * MEGABYTE + ":",
    "dashes then colons": ("-" * 1000 + ":") * (MEGABYTE // 1001),
    "tabs": "x" + "\t" * MEGABYTE + "ab:",
    "spaces after the colon": "ab:" + " " * MEGABYTE + "x",
    "colons": ":" * MEGABYTE,
    "pairs": "ab: c," * (MEGABYTE // 6),
    "open quotes": 'ab: "x,' * (MEGABYTE // 7),
    "escapes": 'ab: "' + "\\x" * (MEGABYTE // 2),
    "escaped quotes": 'ab: "\\",' * (MEGABYTE // 8),
    "quotes": "ab: " + '"' * MEGABYTE,
    "json escapes": 'ab: "' + "\\u0041" * (MEGABYTE // 6) + '"',
    "digits": "ab: " + "1" * MEGABYTE + "x" + "1" * MEGABYTE,
    "lines": "x\n" * (MEGABYTE // 2),
    "negatives": "Negative prompt:\n" * (MEGABYTE // 17),
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_hostile_megabyte_is_parsed_at_once(text: str) -> None:
    started = time.process_time()
    parse(text)
    # Linear time needs well under a second; quadratic time would need an hour.
    assert time.process_time() - started < 5


# The domain in which writing and parsing are inverse.
# Prompt: no line has outer whitespace or starts with "Negative prompt:", the first line is not empty.
# Fields: at least three; a key is a key of the grammar and differs from its value; a value is not empty, is
# not WxH, has no outer whitespace and, unless it will be quoted, does not begin with a quotation mark.
TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\n"), max_size=20)
LINE = TEXT.map(str.strip).filter(lambda line: not line.startswith("Negative prompt:"))
PROMPT = st.lists(LINE, max_size=4).map("\n".join).filter(lambda text: not text.startswith("\n"))
KEY = st.from_regex(r"\w[\w \-/]+", fullmatch=True).filter(lambda key: len(key) < 30)
VALUE = st.one_of(
    TEXT.map(str.strip),
    st.text(st.sampled_from('a,:\n"\\é😀'), max_size=12).map(str.strip),
).filter(
    lambda value: (
        value
        and not re.fullmatch(r"\d+x\d+", value)
        and (not value.startswith('"') or any(mark in value for mark in ",:\n"))
    )
)
FIELDS = st.dictionaries(KEY, VALUE, min_size=3, max_size=8).filter(
    lambda fields: all(key != value for key, value in fields.items())
)


@settings(max_examples=100, deadline=None)
@given(PROMPT, PROMPT, FIELDS)
def test_parse_undoes_write(prompt: str, negative_prompt: str, fields: dict[str, str]) -> None:
    read = parse(write(prompt, negative_prompt, fields))
    assert (read.prompt, read.negative_prompt, read.fields) == (prompt, negative_prompt, fields)


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=200))
def test_parse_accepts_any_text(text: str) -> None:
    parse(text)


PAIRS = "Steps: 4, Seed: 1"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"a cat\n{PAIRS}, Version: v1.10.1", f'a cat\n{PAIRS}, X: 1, Y: "a, b", Version: v1.10.1'),
        (f"a cat\n{PAIRS}", f'a cat\n{PAIRS}, X: 1, Y: "a, b"'),
        (f"a, Version: 1\n{PAIRS}", f'a, Version: 1\n{PAIRS}, X: 1, Y: "a, b"'),
    ],
)
def test_more_pairs_stand_before_the_version(text: str, expected: str) -> None:
    assert extended(text, {"X": 1, "left out": None, "Y": "a, b"}) == expected
    assert extended(text, {}) == text
