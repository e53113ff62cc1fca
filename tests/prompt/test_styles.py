from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sdapi_compat.errors import ApiError, Fault
from sdapi_compat.prompt.styles import Style, StyleBook

BOOK = StyleBook(
    [
        Style("cinematic", "cinematic still, {prompt}, shallow depth of field", "cartoon, sketch"),
        Style("plain", "high detail", "lowres, blurry"),
        Style("negonly", "", "bad anatomy"),
        Style("empty", "", ""),
        Style("padded", "  spaced  ", " "),
        Style("twice", "{prompt} and {prompt}", "not {prompt}"),
        Style("---- FILE ----", None, None),
    ]
)


def load(tmp_path: Path, text: str | bytes, name: str = "styles.csv") -> list[Style]:
    file = tmp_path / name
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return StyleBook.load([file]).list()


@pytest.mark.parametrize(
    ("names", "prompt", "negative", "expected"),
    [
        (["plain"], "a cat", "dull", ("a cat, high detail", "dull, lowres, blurry")),
        (["cinematic"], "a cat", "", ("cinematic still, a cat, shallow depth of field", "cartoon, sketch")),
        (
            ["cinematic", "plain"],
            "an apple",
            "blurry",
            (
                "cinematic still, an apple, shallow depth of field, high detail",
                "blurry, cartoon, sketch, lowres, blurry",
            ),
        ),
        # In the order of the names.
        (
            ["plain", "cinematic"],
            "a",
            "b",
            (
                "cinematic still, a, high detail, shallow depth of field",
                "b, lowres, blurry, cartoon, sketch",
            ),
        ),
        (["negonly"], "a cat", "blurry", ("a cat", "blurry, bad anatomy")),
        # {prompt} takes the prompt as it is, anything else strips it.
        (["cinematic"], " a ", " b ", ("cinematic still,  a , shallow depth of field", "b, cartoon, sketch")),
        (["plain"], " a ", " b ", ("a, high detail", "b, lowres, blurry")),
        (["empty"], " a ", "\nb\n", ("a", "b")),
        (["padded"], " a ", " b ", ("a, spaced", "b")),
        # Every {prompt} is replaced, in the negative by the negative.
        (["twice"], "a", "b", ("a and a", "not b")),
        (["twice", "twice"], "a", "b", ("a and a and a and a", "not not b")),
        # Nothing to join.
        (["plain"], "", "", ("high detail", "lowres, blurry")),
        (["empty"], "", "", ("", "")),
        # Unknown ones are empty, and that strips.
        (["nobody"], " a ", " b ", ("a", "b")),
        (["Plain"], "a", "b", ("a", "b")),
        # None at all changes nothing.
        ([], " a ", " b ", (" a ", " b ")),
        # A "{prompt}" in the request is text until a later style.
        (["plain"], "{prompt}", "", ("{prompt}, high detail", "lowres, blurry")),
    ],
)
def test_apply(names: list[str], prompt: str, negative: str, expected: tuple[str, str]) -> None:
    assert BOOK.apply(prompt, negative, names) == expected


def test_a_divider_cannot_be_applied() -> None:
    with pytest.raises(Fault) as caught:
        BOOK.apply("a", "b", ["plain", "---- FILE ----"])
    assert (caught.value.status, caught.value.name) == (500, "TypeError")
    assert caught.value.message == "argument of type 'NoneType' is not iterable"


def test_styles_cannot_blow_up_a_prompt() -> None:
    with pytest.raises(ApiError) as caught:
        BOOK.apply("a cat", "", ["twice"] * 1000)
    assert caught.value.status == 422


def test_load(tmp_path: Path) -> None:
    text = (
        "name,prompt,negative_prompt\n"
        'cinematic,"cinematic still, {prompt}, shallow depth of field","cartoon, sketch"\n'
        'plain,"high detail","lowres, blurry"\n'
        'negonly,,"bad anatomy"\n'
    )
    assert load(tmp_path, text) == BOOK.list()[:3]


@pytest.mark.parametrize(
    ("text", "styles"),
    [
        ("", []),
        ("name,prompt,negative_prompt\n", []),
        ("name,prompt,negative_prompt\na,b,c", [("a", "b", "c")]),
        ("name,prompt,negative_prompt\r\na,b,c\r\n", [("a", "b", "c")]),
        ("\ufeffname,prompt,negative_prompt\na,b,c\n", [("a", "b", "c")]),
        ("name, prompt, negative_prompt\na, b, c \n", [("a", "b", "c ")]),
        ('name,prompt,negative_prompt\na, "b, ""x""", c\n', [("a", 'b, "x"', "c")]),
        ('name,prompt,negative_prompt\na,"two\nlines",c\n', [("a", "two\nlines", "c")]),
        ("name,prompt,negative_prompt\nkäse,日本,é\n", [("käse", "日本", "é")]),
        # Comments and blank lines.
        ("name,prompt,negative_prompt\n#a,b,c\n\n# d\ne,f,g\n", [("e", "f", "g")]),
        ("name,prompt,negative_prompt\na,#b,c\n", [("a", "#b", "c")]),
        # Older columns, other orders, missing and surplus ones.
        ("name,text\na,b\n", [("a", "b", "")]),
        ("name,prompt\na,b\n", [("a", "b", "")]),
        ("name,prompt,text\na,b,c\n", [("a", "b", "")]),
        ("negative_prompt,name,prompt\nc,a,b\n", [("a", "b", "c")]),
        ("name,prompt,negative_prompt,note\na,b,c,d\n", [("a", "b", "c")]),
        ("name,prompt,negative_prompt\na,b,c,d,e\n", [("a", "b", "c")]),
        ("name,prompt,negative_prompt\na,b\nc\n", [("a", "b", ""), ("c", "", "")]),
        ("prompt,negative_prompt,name\na\n", [("", "a", "")]),
        # One name twice: the later text at the earlier place.
        ("name,prompt,negative_prompt\na,1,\nb,2,\na,3,\n", [("a", "3", ""), ("b", "2", "")]),
        # A header without the columns.
        ("title,prompt\na,b\n", []),
        ("name,words\na,b\n", []),
    ],
)
def test_file_forms(tmp_path: Path, text: str, styles: list[tuple[str, str, str]]) -> None:
    assert load(tmp_path, text) == [Style(*style) for style in styles]


@pytest.mark.parametrize(
    "fault",
    [b"b,\xff\xfe,\n" + b"c,d,e\n" * 9, b"b," + b"x" * 200_000 + b",\nc,d,e\n"],
    ids=["not UTF-8", "field too large"],
)
def test_a_malformed_file_is_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture, fault: bytes) -> None:
    good = b"a,1,2\n" * 2000
    styles = load(tmp_path, b"name,prompt,negative_prompt\n" + good + fault)
    assert styles == [Style("a", "1", "2")]
    assert "styles.csv" in caplog.text


def test_missing_file(tmp_path: Path) -> None:
    assert StyleBook.load([tmp_path / "styles.csv"]).list() == []
    assert StyleBook.load([]).list() == []
    assert StyleBook.load([tmp_path]).list() == []


def write(path: Path, *names: str) -> Path:
    rows = "".join(f"{name},{name} of {path.stem},\n" for name in names)
    path.write_text("name,prompt,negative_prompt\n" + rows, encoding="utf-8")
    return path


def test_dividers_precede_the_styles_of_each_of_several_files(tmp_path: Path) -> None:
    first, second = write(tmp_path / "styles.csv", "a"), write(tmp_path / "My extra.v2.csv", "b", "c")
    listed = StyleBook.load([first, second, tmp_path / "absent.csv"]).list()
    assert [style.name for style in listed] == [
        "---------------- STYLES ----------------",
        "a",
        "------------- MY EXTRA.V2 --------------",
        "b",
        "c",
        "---------------- ABSENT ----------------",
    ]
    assert [style for style in listed if style.prompt is None] == [
        Style(listed[number].name, None, None) for number in (0, 2, 5)
    ]


def test_one_file_has_no_divider_even_if_named_twice(tmp_path: Path) -> None:
    file = write(tmp_path / "styles.csv", "a")
    assert [style.name for style in StyleBook.load([file, str(file)]).list()] == ["a"]


def test_a_loaded_divider_faults(tmp_path: Path) -> None:
    book = StyleBook.load([write(tmp_path / "x.csv", "a"), write(tmp_path / "y.csv", "b")])
    divider = book.list()[0].name
    with pytest.raises(Fault):
        book.apply("p", "n", [divider])
    assert book.apply("p", "n", ["a", "b"]) == ("p, a of x, b of y", "n")


def test_the_later_file_counts(tmp_path: Path) -> None:
    book = StyleBook.load([write(tmp_path / "x.csv", "a"), write(tmp_path / "y.csv", "a")])
    assert book.apply("p", "", ["a"])[0] == "p, a of y"


def test_wildcards(tmp_path: Path) -> None:
    for name in ("b.csv", "a.csv", "c.txt", "long.csv"):
        write(tmp_path / name, name[0])
    several = StyleBook.load([tmp_path / "*.csv"]).list()
    assert [style.name for style in several if style.prompt is not None] == ["a", "b", "l"]
    assert sum(style.prompt is None for style in several) == 3
    assert [style.name for style in StyleBook.load([str(tmp_path / "l?ng.csv")]).list()] == ["l"]
    assert StyleBook.load([tmp_path / "none*.csv"]).list() == []
    assert StyleBook.load([tmp_path / "absent" / "*.csv"]).list() == []


def test_a_folder_name_is_no_wildcard(tmp_path: Path) -> None:
    folder = tmp_path / "[x]"
    folder.mkdir()
    write(folder / "s.csv", "a")
    assert [style.name for style in StyleBook.load([folder / "*.csv"]).list()] == ["a"]


def test_list_is_the_callers_own() -> None:
    BOOK.list().clear()
    assert BOOK.list()


@given(
    st.text(),
    st.text(),
    st.lists(st.sampled_from(["plain", "negonly", "empty", "padded", "nobody"]), min_size=1),
)
@settings(max_examples=100, deadline=None)
def test_appended_styles_only_strip_the_prompt(prompt: str, negative: str, names: list[str]) -> None:
    merged, merged_negative = BOOK.apply(prompt, negative, names)
    assert merged.startswith(prompt.strip())
    assert merged_negative.startswith(negative.strip())


@given(st.binary(max_size=200))
@settings(max_examples=100, deadline=None)
def test_any_file_loads(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    file = tmp_path_factory.mktemp("styles") / "styles.csv"
    file.write_bytes(b"name,prompt,negative_prompt\n" + data)
    for style in StyleBook.load([file]).list():
        assert style.prompt is not None
        assert style.negative_prompt is not None
