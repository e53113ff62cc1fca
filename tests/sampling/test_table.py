from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sdapi_compat.sampling.table import (
    SAMPLER_BY_NAME,
    SAMPLERS,
    SCHEDULER_BY_TEXT,
    SCHEDULERS,
    Resolved,
    normalise,
    resolve,
)

# What A1111 1.10.1 answers to GET /sdapi/v1/samplers.
SHOWN = {
    "DPM++ 2M": (["k_dpmpp_2m"], {"scheduler": "karras"}),
    "DPM++ SDE": (
        ["k_dpmpp_sde"],
        {"scheduler": "karras", "second_order": "True", "brownian_noise": "True"},
    ),
    "DPM++ 2M SDE": (["k_dpmpp_2m_sde"], {"scheduler": "exponential", "brownian_noise": "True"}),
    "DPM++ 2M SDE Heun": (
        ["k_dpmpp_2m_sde_heun"],
        {"scheduler": "exponential", "brownian_noise": "True", "solver_type": "heun"},
    ),
    "DPM++ 2S a": (
        ["k_dpmpp_2s_a"],
        {"scheduler": "karras", "uses_ensd": "True", "second_order": "True"},
    ),
    "DPM++ 3M SDE": (
        ["k_dpmpp_3m_sde"],
        {"scheduler": "exponential", "discard_next_to_last_sigma": "True", "brownian_noise": "True"},
    ),
    "Euler a": (["k_euler_a", "k_euler_ancestral"], {"uses_ensd": "True"}),
    "Euler": (["k_euler"], {}),
    "LMS": (["k_lms"], {}),
    "Heun": (["k_heun"], {"second_order": "True"}),
    "DPM2": (
        ["k_dpm_2"],
        {"scheduler": "karras", "discard_next_to_last_sigma": "True", "second_order": "True"},
    ),
    "DPM2 a": (
        ["k_dpm_2_a"],
        {
            "scheduler": "karras",
            "discard_next_to_last_sigma": "True",
            "uses_ensd": "True",
            "second_order": "True",
        },
    ),
    "DPM fast": (["k_dpm_fast"], {"uses_ensd": "True"}),
    "DPM adaptive": (["k_dpm_ad"], {"uses_ensd": "True"}),
    "Restart": (["restart"], {"scheduler": "karras", "second_order": "True"}),
    "DDIM": (["ddim"], {}),
    "DDIM CFG++": (["ddim_cfgpp"], {}),
    "PLMS": (["plms"], {}),
    "UniPC": (["unipc"], {}),
    "LCM": (["k_lcm"], {}),
}

# (name, label, aliases, default_rho, need_inner_model) of GET /sdapi/v1/schedulers.
SCHEDULERS_SHOWN = [
    ("automatic", "Automatic", None, -1.0, False),
    ("uniform", "Uniform", None, -1.0, True),
    ("karras", "Karras", None, 7.0, False),
    ("exponential", "Exponential", None, -1.0, False),
    ("polyexponential", "Polyexponential", None, 1.0, False),
    ("sgm_uniform", "SGM Uniform", ["SGMUniform"], -1.0, True),
    ("kl_optimal", "KL Optimal", None, -1.0, False),
    ("align_your_steps", "Align Your Steps", None, -1.0, False),
    ("simple", "Simple", None, -1.0, True),
    ("normal", "Normal", None, -1.0, True),
    ("ddim", "DDIM", None, -1.0, True),
    ("beta", "Beta", None, -1.0, True),
]


def test_the_samplers_and_their_order_are_the_originals() -> None:
    shown = {spec.name: (list(spec.aliases), spec.options) for spec in SAMPLERS}
    assert list(shown) == list(SHOWN)
    assert shown == SHOWN


def test_option_strings_keep_the_originals_order() -> None:
    for spec in SAMPLERS:
        assert list(spec.options) == list(SHOWN[spec.name][1]), spec.name


def test_the_schedulers_are_the_originals() -> None:
    shown = [
        (s.name, s.label, None if s.aliases is None else list(s.aliases), s.default_rho, s.need_inner_model)
        for s in SCHEDULERS
    ]
    assert shown == SCHEDULERS_SHOWN


def test_schedulers_are_found_by_name_and_label_but_not_by_alias() -> None:
    assert SCHEDULER_BY_TEXT["sgm_uniform"] is SCHEDULER_BY_TEXT["SGM Uniform"]
    assert "SGMUniform" not in SCHEDULER_BY_TEXT
    assert len(SCHEDULER_BY_TEXT) == 24


def test_families() -> None:
    families = {spec.name: spec.family for spec in SAMPLERS if spec.family != "sigma"}
    assert families == {
        "DDIM": "timestep",
        "DDIM CFG++": "timestep",
        "PLMS": "timestep",
        "UniPC": "timestep",
        "LCM": "lcm",
    }


def test_only_cfgpp_scales_guidance() -> None:
    scaled = {spec.name: spec.cfg_multiplier for spec in SAMPLERS if spec.cfg_multiplier != 1}
    assert scaled == {"DDIM CFG++": 0.08}


def test_which_samplers_take_churn_and_eta() -> None:
    full = {spec.name for spec in SAMPLERS if len(spec.churn) == 4}
    noise_only = {spec.name for spec in SAMPLERS if spec.churn == ("s_noise",)}
    assert full == {"Euler", "Heun", "DPM2"}
    assert noise_only == {
        "DPM fast",
        "DPM2 a",
        "DPM++ 2S a",
        "DPM++ SDE",
        "DPM++ 2M SDE",
        "DPM++ 2M SDE Heun",
        "DPM++ 3M SDE",
    }
    assert {spec.name for spec in SAMPLERS if spec.eta_kind == "ddim"} == {"DDIM", "DDIM CFG++"}
    assert {spec.name for spec in SAMPLERS if spec.eta_kind == "ancestral"} == noise_only | {
        "Euler a",
        "DPM adaptive",
    }


def test_second_order_doubles_the_nominal_calls() -> None:
    assert SAMPLER_BY_NAME["Heun"].total_calls(20) == 40
    assert SAMPLER_BY_NAME["Euler"].total_calls(20) == 20
    assert SAMPLER_BY_NAME["DPM++ 2M"].total_calls(20) == 20


@pytest.mark.parametrize(
    ("sampler", "scheduler", "expected"),
    [
        ("Euler a", None, ("Euler a", "Automatic")),
        ("Euler a", "Karras", ("Euler a", "Karras")),
        ("Euler a", "karras", ("Euler a", "Karras")),
        ("Euler a", "KARRAS", ("Euler a", "Automatic")),
        ("Euler a", "nonsense", ("Euler a", "Automatic")),
        ("DPM++ 2M Karras", None, ("DPM++ 2M", "Automatic")),
        ("DPM++ 2M Exponential", None, ("DPM++ 2M", "Exponential")),
        ("DPM++ 2M karras", None, ("DPM++ 2M", "Automatic")),
        ("LMS Karras", None, ("LMS", "Karras")),
        ("DPM2 a Karras", None, ("DPM2 a", "Automatic")),
        ("DPM++ 2M SDE Exponential", None, ("DPM++ 2M SDE", "Automatic")),
        ("DPM++ 2M Karras", "Exponential", ("DPM++ 2M", "Exponential")),
        ("Euler Karras", "Exponential", ("Euler", "Exponential")),
        ("DDIM", "Karras", ("DDIM", "Karras")),
        ("Euler DDIM", None, ("Euler", "DDIM")),
        ("Euler SGMUniform", None, ("Euler", "SGM Uniform")),
        ("Nope", None, ("DPM++ 2M", "Automatic")),
        ("euler a", None, ("DPM++ 2M", "Automatic")),
        ("k_euler_a", None, ("DPM++ 2M", "Automatic")),
        ("", None, ("DPM++ 2M", "Automatic")),
        (None, "Normal", ("DPM++ 2M", "Normal")),
    ],
)
def test_resolve(sampler: str | None, scheduler: str | None, expected: tuple[str, str]) -> None:
    assert resolve(sampler, scheduler) == expected


def test_the_table_order_decides_which_suffix_is_stripped() -> None:
    # "Uniform" stands before "SGM Uniform", so the text loses only its last word and is then unknown.
    assert resolve("Euler SGM Uniform", None) == ("DPM++ 2M", "Uniform")


def test_folding_names_the_default_scheduler_automatic() -> None:
    assert normalise("DPM++ 2M", "Karras", fold_default=True) == ("DPM++ 2M", "Automatic")
    assert normalise("DPM++ 2M", "Karras", fold_default=False) == ("DPM++ 2M", "Karras")
    assert normalise("Euler", "Karras", fold_default=True) == ("Euler", "Karras")


@settings(max_examples=40, deadline=None)
@given(
    st.sampled_from([spec.name for spec in SAMPLERS]),
    st.sampled_from([spec.label for spec in SCHEDULERS]),
)
def test_resolved_texts_resolve_to_themselves(sampler: str, scheduler: str) -> None:
    assert resolve(sampler, scheduler) == Resolved(sampler, scheduler)


@settings(max_examples=40, deadline=None)
@given(st.text(), st.one_of(st.none(), st.text()))
def test_any_text_resolves_to_something_in_the_tables(sampler: str, scheduler: str | None) -> None:
    name, label = resolve(sampler, scheduler)
    assert name in SAMPLER_BY_NAME
    assert label in {spec.label for spec in SCHEDULERS}


def test_table_and_recipe_load_without_torch() -> None:
    code = (
        "import sys; import sdapi_compat.sampling.table, sdapi_compat.sampling.recipe;"
        "sys.exit('torch' in sys.modules or 'numpy' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
