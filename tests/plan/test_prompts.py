from __future__ import annotations

import pytest

from sdapi_compat.errors import InvalidRequest
from sdapi_compat.plan.plan import Prompts
from sdapi_compat.plan.prompts import PromptOptions, PromptRules
from sdapi_compat.prompt.styles import Style, StyleBook

BOOK = StyleBook(
    [
        Style("cinematic", "still of {prompt}, deep", "cartoon"),
        Style("plain", "high detail", "blurry"),
        Style("commented", "{prompt} # not this", "grey"),
    ]
)


LORA, HYPERNETWORK = ("lora", "pixel"), ("hypernet", "pixel")


def rules(*styles: str, comments: bool = True, always: tuple[tuple[str, str], ...] = ()) -> PromptRules:
    return PromptRules(BOOK, styles, PromptOptions(comments, always, 0.8))


def test_a_network_for_every_prompt_is_added_unless_the_prompt_has_it() -> None:
    made = rules(always=(LORA,)).prepare("a cat", "mud", 1)
    assert made == Prompts(("a cat<lora:pixel:0.8>",), ("mud",))
    for written in ("a cat <lora:pixel:0.3>", "<lyco:pixel>"):
        assert rules(always=(LORA,)).prepare(written, "", 1).positive == (written,)
    both = rules(always=(HYPERNETWORK, LORA)).prepare("<lora:pixel>", "", 1)
    assert both.positive == ("<lora:pixel><hypernet:pixel:0.8>",)


def test_one_prompt_serves_all_images() -> None:
    prompts = rules().prepare("a cat", "a dog", 3)
    assert prompts.positive == ("a cat",) * 3
    assert prompts.negative == ("a dog",) * 3


def test_a_list_gives_each_image_its_own() -> None:
    prompts = rules().prepare(("a cat", "a cow"), "a dog", 2)
    assert prompts.positive == ("a cat", "a cow")
    assert prompts.negative == ("a dog", "a dog")


@pytest.mark.parametrize("length", [1, 3])
def test_a_list_of_another_length_is_refused(length: int) -> None:
    with pytest.raises(InvalidRequest, match=r"body\.prompt: .*\(2\)"):
        rules().prepare(("a",) * length, "", 2)
    with pytest.raises(InvalidRequest):
        rules().prepare("", ("a",) * length, 2)


def test_styles_are_merged_in_their_order() -> None:
    prompts = rules("cinematic", "plain").prepare("a cat", "a dog", 1)
    assert prompts.positive == ("still of a cat, deep, high detail",)
    assert prompts.negative == ("a dog, cartoon, blurry",)


def test_an_unknown_style_adds_nothing() -> None:
    prompts = rules("nobody knows").prepare("a cat", "", 1)
    assert prompts.positive == ("a cat",)
    assert prompts.negative == ("",)


def test_comments_are_removed_after_styles_are_merged() -> None:
    prompts = rules("commented").prepare("a cat", "x # y", 1)
    assert prompts.positive == ("a cat \n",), "the original leaves a line end"
    assert prompts.negative == ("x \n",), "the style's own text was behind the comment"


def test_comments_stay_where_the_option_is_off() -> None:
    assert rules(comments=False).prepare("a # cat", "b # c", 1).positive == ("a # cat",)
    assert rules(comments=False).prepare("a # cat", "b # c", 1).negative == ("b # c",)
