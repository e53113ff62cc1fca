from __future__ import annotations

import hashlib
from datetime import datetime, timezone
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from sdapi_compat.imaging.filenames import NameFacts, NameRules, clean_part, expand, next_number

IMAGE = Image.new("RGB", (640, 480), "teal")
FACTS = NameFacts(
    seed=1234,
    prompt='A "red" apple, on a table; 4k',
    moment=datetime(2026, 3, 9, 8, 5, 7, tzinfo=timezone.utc),
    negative_prompt="blurry",
    prompt_no_styles="A red apple",
    styles=("Oil", "None", "Old: new"),
    steps=25,
    cfg_scale=7.0,
    sampler="DPM++ 2M",
    scheduler="Karras",
    model_name="sd/v1-5",
    model_hash="9772f43a29",
    vae="vae-ft-mse.safetensors",
    clip_skip=2,
    denoising_strength=0.75,
    all_seeds=(1234, 1235, 1236, 1237),
    batch_size=2,
    n_iter=2,
    batch_index=1,
    iteration=1,
    job_timestamp="20260309080507",
    user="ann",
)
ALONE = msgspec.structs.replace(
    FACTS, batch_size=1, n_iter=1, batch_index=0, iteration=0, all_seeds=(1234,), denoising_strength=None
)


def sha(text: Any, length: Any = 8) -> Any:
    return hashlib.sha256(text.encode()).hexdigest()[:length]


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("[seed]", "1234"),
        ("[SEED]", "1234"),
        ("[seed_first]-[seed_last]", "1234-1237"),
        ("[steps]x[cfg]", "25x7.0"),
        ("[width]x[height]", "640x480"),
        ("[styles]", "Oil, Old_ new"),
        ("[sampler]", "DPM++ 2M"),
        ("[scheduler]", "Karras"),
        ("[sampler_scheduler]", "DPM++ 2M Karras"),
        ("[model_name]-[model_hash]", "sd_v1-5-9772f43a29"),
        ("[date]", "2026-03-09"),
        ("[datetime]", "20260309080507"),
        ("[datetime<%Y>]", "2026"),
        ("[datetime<%H:%M>]", "08_05"),
        ("[datetime<%H><Asia/Tokyo>]", "17"),
        ("[datetime<><America/New_York>]", "20260309040507"),
        ("[job_timestamp]", "20260309080507"),
        ("[prompt]", "A__red__apple,_on_a_table;_4k"),
        ("[prompt_spaces]", "A _red_ apple, on a table; 4k"),
        ("[prompt_words]", "A red apple on a table 4k"),
        ("[prompt_no_styles]", "A red apple"),
        ("[prompt_hash]", sha(FACTS.prompt)),
        ("[prompt_hash<12>]", sha(FACTS.prompt, 12)),
        ("[negative_prompt_hash]", sha("blurry")),
        ("[full_prompt_hash]", sha(FACTS.prompt + " blurry")),
        ("[image_hash]", hashlib.sha256(IMAGE.tobytes()).hexdigest()),
        ("[image_hash<6>]", hashlib.sha256(IMAGE.tobytes()).hexdigest()[:6]),
        ("[batch_number]of[batch_size]", "2of2"),
        ("[generation_number]", "4"),
        ("[hasprompt<apple>]", "apple"),
        ("[hasprompt<pear>]", ""),
        ("[hasprompt<PEAR|no fruit><Apple>]", "no_fruitapple"),
        ("[clip_skip]", "2"),
        ("[denoising]", "0.75"),
        ("[user]", "ann"),
        ("[vae_filename]", "vae-ft-mse"),
        ("[none]", ""),
        # Text around and unknown tokens.
        ("", ""),
        ("plain", "plain"),
        ("a [seed] b", "a 1234 b"),
        ("[nope]", "[nope]"),
        ("x[nope<1>]y[seed]", "x[nope<1>]y1234"),
        ("[", "["),
        ("[]", "[]"),
        ("[[seed]]", "[1234]"),
        ("seed]", "seed]"),
        ("[seed", "[seed"),
        # Arguments that cannot be understood leave the token alone or fall back.
        ("[prompt_hash<x>]", "[prompt_hash<x>]"),
        ("[seed<1]", "[seed<1]"),
        ("[datetime<%H><Nowhere/Land>]", "08"),
        ("[datetime<%H><../../etc/passwd>]", "08"),
    ],
)
def test_tokens(pattern: Any, expected: Any) -> None:
    assert expand(pattern, FACTS, IMAGE) == expected


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("[seed]-[batch_number]", "1234"),
        ("[seed] n[generation_number]!", "1234!"),
        ("[seed]-[denoising]-[steps]", "1234-25"),
        ("[seed_first]", "1234"),
        ("a-[seed_last]", ""),
    ],
)
def test_tokens_with_nothing_to_say_take_the_text_before_along(pattern: Any, expected: Any) -> None:
    assert expand(pattern, ALONE, IMAGE) == expected


@pytest.mark.parametrize(
    ("changes", "pattern", "expected"),
    [
        ({"scheduler": "Automatic"}, "[sampler_scheduler]", "DPM++ 2M"),
        ({"styles": ()}, "[styles]", "None"),
        ({"styles": ("None",)}, "[styles]", "None"),
        ({"vae": None}, "[vae_filename]", "NoneType"),
        ({"vae": ".hidden.pt"}, "[vae_filename]", "hidden"),
        ({"user": None}, "[user]", "[user]"),
        ({"prompt": ""}, "[prompt_words]", "empty"),
        ({"prompt": ""}, "[prompt]", ""),
        ({"prompt": "..."}, "[prompt_words]", "empty"),
        ({"prompt": "a b c d e f g h i j"}, "[prompt_words]", "a b c d e f g h"),
        ({"prompt": "../../etc"}, "[prompt]", ".._.._etc"),
    ],
)
def test_tokens_of_other_facts(changes: Any, pattern: Any, expected: Any) -> None:
    assert expand(pattern, msgspec.structs.replace(FACTS, **changes), IMAGE) == expected


def test_a_layout_the_system_cannot_write_falls_back() -> None:
    # Some Python versions write a lone surrogate, others refuse it.
    assert expand("[datetime<\ud800>]", FACTS, IMAGE) in ("20260309080507", "\ud800")


def test_rules() -> None:
    rules = NameRules(max_length=5, unix=True, prompt_words=2)
    assert expand("[prompt_words]", FACTS, IMAGE, rules) == "A red"
    assert expand("[prompt_spaces]", FACTS, IMAGE, rules) == 'A "re'
    assert expand("[model_name]", FACTS, IMAGE, rules) == "sd_v1"


@pytest.mark.parametrize(
    ("text", "windows", "unix"),
    [
        ("a#b<c>d", "a_b_c_d", "a#b<c>d"),
        ('a:b"c/d\\e|f?g*h', "a_b_c_d_e_f_g_h", 'a:b"c_d\\e|f?g*h'),
        ("a\nb\rc\td", "a_b_c_d", "a\nb\rc\td"),
        ("  lead", "lead", "lead"),
        ("trail .. ", "trail", "trail"),
        ("a" * 200, "a" * 128, "a" * 128),
        ("a" * 127 + ".b", "a" * 127, "a" * 127),
        ("äöü 日本", "äöü 日本", "äöü 日本"),
    ],
)
def test_cleaning(text: Any, windows: Any, unix: Any) -> None:
    assert clean_part(text, NameRules()) == windows
    assert clean_part(text, NameRules(unix=True)) == unix


@given(st.text(max_size=300), st.text(max_size=60))
def test_prompts_never_make_paths(prompt: Any, pattern_text: Any) -> None:
    facts = msgspec.structs.replace(FACTS, prompt=prompt)
    for token in ("prompt", "prompt_spaces", "prompt_words", "hasprompt<a>"):
        part = expand(f"[{token}]", facts, IMAGE)
        assert not set(part) & set('#<>:"/\\|?*\n\r\t')
        assert len(part) <= 128
    expand(pattern_text, facts, IMAGE)


@pytest.mark.parametrize(
    "pattern", ["[" * 20000, "[a<" * 20000, "[seed<" + ">" * 20000 + "]", "<" * 20000 + "]"]
)
def test_hostile_patterns_end_soon(pattern: Any) -> None:
    assert expand(pattern, FACTS, IMAGE) == pattern


@pytest.mark.parametrize(
    ("names", "basename", "expected"),
    [
        ([], "", 0),
        (["00000-1.png"], "", 1),
        (["00007-1.png", "00003-x.png", "notes.txt"], "", 8),
        (["00007.png"], "", 8),
        (["123456-1.png"], "", 123457),
        (["-5.png", "x9.png", ".tmp"], "", 0),
        (["grid-0004.png", "00009-1.png"], "grid", 5),
        (["grid-0004-1.png", "gridx-0010.png"], "grid", 5),
        (["grid.png", "grid-.png", "grid-x.png"], "grid", 0),
        (["²-1.png"], "", 0),
    ],
)
def test_next_number(names: Any, basename: Any, expected: Any, tmp_path: Any) -> None:
    for name in names:
        (tmp_path / name).touch()
    assert next_number(tmp_path, basename) == expected
