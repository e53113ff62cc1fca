from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sdapi_compat.prompt.schedules import ScheduledText, ScheduleSteps, expand, index_at, old_differs

TEN = ScheduleSteps(10)
SYNTAX = st.text(alphabet="ab \n[]():|\\12.5-", max_size=40)
STEPS = st.builds(ScheduleSteps, st.integers(1, 12), st.none() | st.integers(1, 12), st.booleans())


def texts(text: str, steps: ScheduleSteps = TEN) -> list[tuple[int, str]]:
    return [(end, scheduled) for end, scheduled in expand(text, steps)]


@pytest.mark.parametrize(
    ("text", "schedule"),
    [
        ("", [(10, "")]),
        ("a cat", [(10, "a cat")]),
        # The forms of editing.
        ("[b:3]", [(3, ""), (10, "b")]),
        ("[a::3]", [(3, "a"), (10, "")]),
        ("[:a:3]", [(3, ""), (10, "a")]),
        ("[a:b:3]", [(3, "a"), (10, "b")]),
        ("[:3]", [(3, ""), (10, "")]),
        ("[::3]", [(3, ""), (10, "")]),
        ("x [a:b:3] y", [(3, "x a y"), (10, "x b y")]),
        ("a [apple:car:0.5] on a table", [(5, "a apple on a table"), (10, "a car on a table")]),
        ("[green:purple:0.5] leaves", [(5, "green leaves"), (10, "purple leaves")]),
        ("[a:b:3][c:d:5]", [(3, "ac"), (5, "bc"), (10, "bd")]),
        ("[a:b:5][c:d:3]", [(3, "ac"), (5, "ad"), (10, "bd")]),
        ("[a:b:3][c:d:3]", [(3, "ac"), (10, "bd")]),
        # Nesting.
        ("[[a:b:3]:c:6]", [(3, "a"), (6, "b"), (10, "c")]),
        ("[a:[b:c:6]:3]", [(3, "a"), (6, "b"), (10, "c")]),
        ("[a:[b:c:3]:6]", [(3, "a"), (6, "a"), (10, "c")]),
        ("[[a|b]:c:2]", [(1, "a"), (2, "b"), *[(step, "c") for step in range(3, 11)]]),
        # Whitespace: free around the number, kept elsewhere.
        ("[a:b: 3 ]", [(3, "a"), (10, "b")]),
        ("[a:b:\n3\t]", [(3, "a"), (10, "b")]),
        ("[ a : b :3]", [(3, " a "), (10, " b ")]),
        ("[a:b:+3]", [(3, "a"), (10, "b")]),
        ("[a:b:- 3]", [(10, "[a:b:- 3]")]),
        # A number can be text as well.
        ("[1:2:3]", [(3, "1"), (10, "2")]),
        ("[a:3:4]", [(4, "a"), (10, "3")]),
        # Groups are kept as they are written.
        ("(a) (b:1.5) [c] ((d))", [(10, "(a) (b:1.5) [c] ((d))")]),
        ("[(a:1.2):[b]:3]", [(3, "(a:1.2)"), (10, "[b]")]),
        ("([a:b:3]:1.5)", [(3, "(a:1.5)"), (10, "(b:1.5)")]),
        ("(x:[a:b:3])", [(3, "(x:a)"), (10, "(x:b)")]),
        ("[[a:b:3]]", [(3, "[a]"), (10, "[b]")]),
        ("[]()(:)", [(10, "[]()(:)")]),
        # Stray brackets and colons are literal.
        ("[a:b] c", [(10, "[a:b] c")]),
        ("[a:b:3:4]", [(10, "[a:b:3:4]")]),
        ("[a:b:c]", [(10, "[a:b:c]")]),
        ("[a:b:(3)]", [(10, "[a:b:(3)]")]),
        ("[a:b:3", [(10, "[a:b:3")]),
        ("a:b:3]", [(10, "a:b:3]")]),
        ("(a:b:3)", [(10, "(a:b:3)")]),
        ("[a(b:c:3])", [(10, "[a(b:c:3])")]),
        ("[(a:b:3]", [(10, "[(a:b:3]")]),
        (") ] : ( [", [(10, ") ] : ( [")]),
        # What stands next to or within stray ones still works.
        ("((a][:b:c [d:3]", [(3, "((a][:b:c "), (10, "((a][:b:c d")]),
        ("[[a:b:3]", [(3, "[a"), (10, "[b")]),
        ("[a:b:3]]", [(3, "a]"), (10, "b]")]),
        ("[[a:b:3]:c:4:5]", [(3, "[a:c:4:5]"), (10, "[b:c:4:5]")]),
        ("([a:b:3]", [(3, "(a"), (10, "(b")]),
        (":[a:b:3]:", [(3, ":a:"), (10, ":b:")]),
        # Escapes are kept, and hide what they escape.
        (r"\[a:b:3\]", [(10, r"\[a:b:3\]")]),
        (r"[a\]:b\::3]", [(3, r"a\]"), (10, r"b\:")]),
        (r"[a\|b:3]", [(3, ""), (10, r"a\|b")]),
        (r"a \| b [c:d:5]", [(5, r"a \| b c"), (10, r"a \| b d")]),
        (r"\\[a:b:3]", [(3, r"\\a"), (10, r"\\b")]),
    ],
)
def test_editing(text: str, schedule: list[tuple[int, str]]) -> None:
    assert texts(text) == schedule


@pytest.mark.parametrize(
    "text",
    [
        "a|b [c:d:5]",
        "[c:d:5] a|b",
        "|",
        "(a|b) [c:d:5]",
        "[a|b [c:d:5]",
        "a|b] [c:d:5]",
        "[a|(b] [c:d:5]",
        "[a|b:0.5] [c:d:5]",
        "[a:b|c] [c:d:5]",
        "[(a|b):c:3]",
        "[a|b) [c:d:5]",
        "[c:d:5] \\",
        "[c:d:5] \\\n",
    ],
)
def test_a_stray_bar_or_backslash_disables_all_scheduling(text: str) -> None:
    assert texts(text) == [(10, text)]


@pytest.mark.parametrize(
    ("text", "options"),
    [
        ("[a|b]", ["a", "b"]),
        ("a [apple|car|dog] on a table", ["a apple on a table", "a car on a table", "a dog on a table"]),
        ("[|a]", ["", "a"]),
        ("[a|]x", ["ax", "x"]),
        ("[fe|||]male", ["female", "male", "male", "male"]),
        ("[|]", ["", ""]),
        ("[ a | b ]", [" a ", " b "]),
        ("[a|(b:1.1)]", ["a", "(b:1.1)"]),
        ("[a|[b]]", ["a", "[b]"]),
        ("[a|b][c|d|e]", ["ac", "bd", "ae", "bc", "ad", "be"]),
        ("[[a|b]|c]", ["a", "c"]),
        (r"[a\||b]", [r"a\|", "b"]),
    ],
)
def test_alternation(text: str, options: list[str]) -> None:
    assert texts(text) == [(step, options[(step - 1) % len(options)]) for step in range(1, 11)]


def test_alternation_and_editing() -> None:
    four = ScheduleSteps(4)
    assert texts("[a|b] [c:d:2]", four) == [(1, "a c"), (2, "b c"), (3, "a d"), (4, "b d")]
    assert texts("[[a:b:2]|c]", four) == [(1, "a"), (2, "c"), (3, "b"), (4, "c")]


@pytest.mark.parametrize(
    ("number", "switch"),
    [
        # With a dot: a fraction of the pass.
        ("0.5", 5),
        (".5", 5),
        ("0.55", 5),
        ("0.99", 9),
        ("5e-1", 0),
        ("5.0e-1", 5),
        # Without: a number of calls.
        ("3", 3),
        ("007", 7),
        ("1", 1),
        ("1e0", 1),
        ("2E+0", 2),
        # "1.0" and above is the whole pass.
        ("1.0", 10),
        ("1.", 10),
        ("2.5", 10),
        ("10", 10),
        ("99", 10),
        ("1e999", 10),
        ("1.0e999", 10),
        # Below one step: "after" from the start.
        ("0", 0),
        ("0.0", 0),
        ("0.09", 0),
        ("-1", 0),
        ("-0.5", 0),
        ("-1e999", 0),
    ],
)
def test_meaning_of_the_number(number: str, switch: int) -> None:
    expected = {0: [(10, "b")], 10: [(10, "a")]}.get(switch, [(switch, "a"), (10, "b")])
    assert texts(f"[a:b:{number}]") == expected


@pytest.mark.parametrize(
    ("number", "switch"),
    [
        ("0.5", 5),
        (".25", 2),
        ("5e-1", 5),
        ("0", 0),
        ("-1", 0),
        ("1", 1),
        ("1.0", 1),
        ("3", 3),
        ("3.7", 3),
        ("30", 10),
    ],
)
def test_meaning_of_the_number_in_the_old_mode(number: str, switch: int) -> None:
    expected = {0: [(10, "b")], 10: [(10, "a")]}.get(switch, [(switch, "a"), (10, "b")])
    assert texts(f"[a:b:{number}]", ScheduleSteps(10, old=True)) == expected
    # The hires pass repeats the first pass's schedule, whatever its own number of calls.
    assert texts(f"[a:b:{number}]", ScheduleSteps(4, first_pass_steps=10, old=True)) == expected


@pytest.mark.parametrize(
    ("number", "first", "second"),
    [
        # A fraction counts the first pass as 0..1 and the second as 1..2.
        ("0.5", [(10, "a"), (20, "b")], [(8, "b")]),
        ("1.0", [(20, "a")], [(8, "b")]),
        ("1.5", [(20, "a")], [(4, "a"), (8, "b")]),
        ("2.0", [(20, "a")], [(8, "a")]),
        # A count goes on from the first pass.
        ("5", [(5, "a"), (20, "b")], [(8, "b")]),
        # Calls, not steps: 20 calls are 10 steps of a second-order sampler, so this is its step 5.
        ("10", [(10, "a"), (20, "b")], [(8, "b")]),
        ("20", [(20, "a")], [(8, "b")]),
        ("23", [(20, "a")], [(3, "a"), (8, "b")]),
        ("28", [(20, "a")], [(8, "a")]),
    ],
)
def test_hires_pass(number: str, first: list[tuple[int, str]], second: list[tuple[int, str]]) -> None:
    assert texts(f"[a:b:{number}]", ScheduleSteps(20)) == first
    assert texts(f"[a:b:{number}]", ScheduleSteps(8, first_pass_steps=20)) == second


def test_one_step() -> None:
    one = ScheduleSteps(1)
    assert texts("[a:b:1]", one) == [(1, "a")]
    assert texts("[a:b:0.5]", one) == [(1, "b")]
    assert texts("[a|b]", one) == [(1, "a")]


@pytest.mark.parametrize("text", ["a", "[a:b:1]", "[a|b]", "[a:b:1.0e999]"])
def test_no_steps_at_all_is_still_one_entry(text: str) -> None:
    (entry,) = expand(text, ScheduleSteps(0))
    assert entry.end_at_step == 0


@pytest.mark.parametrize(
    ("text", "used"),
    [
        # Six calls of "a", not five.
        ("[a:b:5]", "aaaaaabbbb"),
        # The first option twice; the entry of the last step never.
        ("[a|b]", "aababababa"),
        ("[a|b|c]", "aabcabcabc"),
        ("[a:b:9]", "aaaaaaaaaa"),
        ("x", "xxxxxxxxxx"),
    ],
)
def test_index_at_each_call(text: str, used: str) -> None:
    schedule = expand(text, TEN)
    assert "".join(schedule[index_at(schedule, call)].text for call in range(10)) == used


def test_index_past_the_end_is_the_first_entry() -> None:
    schedule = (ScheduledText(3, "a"), ScheduledText(10, "b"))
    assert [index_at(schedule, call) for call in (0, 3, 4, 10, 11, 99)] == [0, 0, 1, 1, 0, 0]


@given(SYNTAX | st.text(), STEPS)
@settings(max_examples=500, deadline=None)
def test_any_text_gives_a_sorted_schedule_to_the_end(text: str, steps: ScheduleSteps) -> None:
    schedule = expand(text, steps)
    ends = [entry.end_at_step for entry in schedule]
    assert all(left < right for left, right in pairwise(ends))
    assert ends[0] >= 1
    assert ends[-1] == steps.total


@given(SYNTAX)
@settings(max_examples=300, deadline=None)
def test_entries_only_leave_things_out(text: str) -> None:
    for entry in expand(text, TEN):
        left = iter(text)
        assert all(letter in left for letter in entry.text)


@given(st.text(alphabet="ab \n[]():\\", max_size=40).filter(lambda text: not text.endswith("\\")))
@settings(max_examples=300, deadline=None)
def test_text_without_a_sign_of_scheduling_is_kept(text: str) -> None:
    assert texts(text) == [(10, text)]
    # With a form behind it, the parser has to look at all of it and must say the same.
    assert {entry.text for entry in expand(text + "[y:z:0]", TEN)} <= {text + "z", text + "[y:z:0]"}


@given(st.text(alphabet="ab ()\n1.", max_size=40))
@settings(max_examples=100, deadline=None)
def test_text_without_square_brackets_is_kept(text: str) -> None:
    assert texts(text) == [(10, text)]


def nested(parts: st.SearchStrategy[tuple[str, str, str]]) -> st.SearchStrategy[tuple[str, str, str]]:
    """(source, text at step 3, text at step 7) of well-formed prompts."""
    return st.one_of(
        st.tuples(parts, parts).map(lambda p: tuple(left + right for left, right in zip(*p, strict=True))),
        parts.map(lambda p: (f"({p[0]}:1.5)", f"({p[1]}:1.5)", f"({p[2]}:1.5)")),
        parts.map(lambda p: (f"[{p[0]}]", f"[{p[1]}]", f"[{p[2]}]")),
        st.tuples(parts, parts).map(lambda p: (f"[{p[0][0]}:{p[1][0]}:5]", p[0][1], p[1][2])),
        st.tuples(parts, parts).map(lambda p: (f"[{p[0][0]}|{p[1][0]}]", p[0][1], p[0][2])),
        st.tuples(parts, parts).map(lambda p: (f"[{p[0][0]}||{p[1][0]}|]", p[1][1], p[1][2])),
    )


@given(st.recursive(st.sampled_from("abc ").map(lambda word: (word, word, word)), nested, max_leaves=12))
@settings(max_examples=300, deadline=None)
def test_well_formed_prompts_of_any_shape(prompt: tuple[str, str, str]) -> None:
    source, third, seventh = prompt
    schedule = expand(source, TEN)
    # Entries end at the switch points, so step k is in the first entry that does not end before k.
    at = {step: next(entry.text for entry in schedule if entry.end_at_step >= step) for step in (3, 7)}
    assert at == {3: third, 7: seventh}


def test_where_the_old_meaning_of_numbers_differs() -> None:
    assert not old_differs("[a:b:5]", ScheduleSteps(10))
    assert old_differs("[a:b:1.5]", ScheduleSteps(10))
    assert old_differs("[a:b:1.5]", ScheduleSteps(10, old=True))
    assert old_differs("a", ScheduleSteps(10, 5)), "the passes end at different numbers"
