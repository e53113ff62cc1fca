from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sdapi_compat.prompt.extra_networks import (
    LoraArguments,
    NetworkTag,
    extract,
    hypernetwork_arguments,
    lora_arguments,
)


@pytest.mark.parametrize(
    ("prompt", "text", "tags"),
    [
        ("a cat", "a cat", []),
        ("", "", []),
        ("a cat <lora:tiny:1>", "a cat ", [("lora", ("tiny", "1"), {})]),
        ("<lora:tiny:0.8:0.8:2>", "", [("lora", ("tiny", "0.8", "0.8", "2"), {})]),
        # Spaces and commas around a tag stay.
        ("a, <lora:x:1>, b", "a, , b", [("lora", ("x", "1"), {})]),
        ("a<lyco:x>b<hypernet:y:0.5>c", "abc", [("lyco", ("x",), {}), ("hypernet", ("y", "0.5"), {})]),
        # Named arguments: exactly one "=".
        ("<lora:x:te=0.5:unet=1>", "", [("lora", ("x",), {"te": "0.5", "unet": "1"})]),
        ("<lora:x:te=1:0.3:te=2>", "", [("lora", ("x", "0.3"), {"te": "2"})]),
        ("<lora:a=b=c>", "", [("lora", ("a=b=c",), {})]),
        ("<lora:x:=>", "", [("lora", ("x",), {"": ""})]),
        # Empty arguments count, and a space is part of one.
        ("<lora::>", "", [("lora", ("", ""), {})]),
        ("<lora: my lora :1 >", "", [("lora", (" my lora ", "1 "), {})]),
        # The end is the first ">", whatever is in between.
        ("<lora:a<lora:b:1>:2>", ":2>", [("lora", ("a<lora", "b", "1"), {})]),
        ("<lora:a\nb>", "", [("lora", ("a\nb",), {})]),
        # Unknown kinds are taken out too; word characters are Unicode's.
        ("<made_up2:x>", "", [("made_up2", ("x",), {})]),
        ("<größe:x>", "", [("größe", ("x",), {})]),
        # The same tag twice stays twice.
        ("<lora:x:1><lora:x:2>", "", [("lora", ("x", "1"), {}), ("lora", ("x", "2"), {})]),
        # No tags.
        ("<lora:>", "<lora:>", []),
        ("<lora>", "<lora>", []),
        ("<lora:x", "<lora:x", []),
        ("< lora:x>", "< lora:x>", []),
        ("<lo-ra:x>", "<lo-ra:x>", []),
        ("<:x>", "<:x>", []),
        ("a < b > c", "a < b > c", []),
        ("<lora:><lora:x>", "<lora:>", [("lora", ("x",), {})]),
        ("<<lora:x>>", "<>", [("lora", ("x",), {})]),
    ],
)
def test_extract(prompt: str, text: str, tags: list[tuple[str, tuple[str, ...], dict[str, str]]]) -> None:
    assert extract(prompt) == (text, [NetworkTag(*tag) for tag in tags])


@given(st.text(alphabet="<>:=ab, \n"))
@settings(max_examples=300, deadline=None)
def test_only_whole_tags_are_taken_out(prompt: str) -> None:
    text, tags = extract(prompt)
    lost = len(prompt) - len(text)
    assert lost >= sum(len("<:>") + len(tag.kind) for tag in tags)
    assert (lost == 0) == (not tags)
    for tag in tags:
        assert len(tag.positional) + len(tag.named) >= 1


@given(
    st.lists(
        st.tuples(st.text(alphabet="ab, ", max_size=5), st.sampled_from(["lora", "hypernet"])), max_size=6
    )
)
@settings(max_examples=100, deadline=None)
def test_written_tags_are_found_in_order(pieces: list[tuple[str, str]]) -> None:
    prompt = "".join(f"{text}<{kind}:n{number}>" for number, (text, kind) in enumerate(pieces))
    text, tags = extract(prompt)
    assert text == "".join(piece for piece, _ in pieces)
    assert [(tag.kind, tag.positional) for tag in tags] == [
        (kind, (f"n{number}",)) for number, (_, kind) in enumerate(pieces)
    ]


@pytest.mark.parametrize(
    ("tag", "arguments"),
    [
        ("<lora:x>", ("x", 1.0, 1.0, None)),
        ("<lora:x:0.5>", ("x", 0.5, 0.5, None)),
        ("<lora:x:0.5:0.7>", ("x", 0.5, 0.7, None)),
        ("<lora:x:0.8:0.8:2>", ("x", 0.8, 0.8, 2)),
        ("<lora:x:te=0.3>", ("x", 0.3, 0.3, None)),
        ("<lora:x:unet=0.3>", ("x", 1.0, 0.3, None)),
        ("<lora:x:0.5:0.7:4:te=0:unet=2:dyn=8>", ("x", 0.0, 2.0, 8)),
        ("<lora:te=0.5:x>", ("x", 0.5, 0.5, None)),
        ("<lora:x: -1 >", ("x", -1.0, -1.0, None)),
        ("<lyco:x:1:1:1:unused>", ("x", 1.0, 1.0, 1)),
    ],
)
def test_lora_arguments(tag: str, arguments: tuple[str, float, float, int | None]) -> None:
    assert lora_arguments(extract(tag)[1][0]) == LoraArguments(*arguments)


@pytest.mark.parametrize(
    "tag",
    ["<lora:x:strong>", "<lora:x:>", "<lora:x:1:1:2.5>", "<lora:x:te=>", "<lora:x:bad:te=1>", "<lora:te=1>"],
)
def test_malformed_lora_arguments(tag: str) -> None:
    with pytest.raises(ValueError, match=r"could not convert|invalid literal|names no network"):
        lora_arguments(extract(tag)[1][0])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("<hypernet:a>", ("a", 1.0)),
        ("<hypernet:a:0.5>", ("a", 0.5)),
        ("<hypernet:a:-1:more>", ("a", -1.0)),
    ],
)
def test_hypernetwork_arguments(text: str, expected: tuple[str, float]) -> None:
    assert hypernetwork_arguments(extract(text)[1][0]) == expected


@pytest.mark.parametrize("text", ["<hypernet:a:b>", "<hypernet:a:>", "<hypernet:a:mult=1>", "<hypernet:a=1>"])
def test_malformed_hypernetwork_arguments(text: str) -> None:
    with pytest.raises(ValueError, match=r"hypernet|float"):
        hypernetwork_arguments(extract(text)[1][0])
