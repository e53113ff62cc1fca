"""Textual inversions inside LoRA files, on a real server: there for the request that names the LoRA."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

WIDTH = 256
STEPS = 1


def vectors(seed: int) -> torch.Tensor:
    return torch.randn(2, WIDTH, generator=torch.Generator().manual_seed(seed)) / 4


@pytest.fixture(scope="module")
def held(tmp_path_factory: pytest.TempPathFactory, launch: Callable[..., Any]) -> Any:
    """A server with LoRAs that bring "zebraword" and more along, and with embeddings of its own."""
    root = tmp_path_factory.mktemp("bundles")
    loras, embeddings = root / "models" / "Lora", root / "embeddings"
    loras.mkdir(parents=True)
    embeddings.mkdir()
    one = {
        "bundle_emb.zebraword.string_to_param.*": vectors(1),
        "bundle_emb.taken.string_to_param.*": vectors(2),
        "bundle_emb.wide.string_to_param.*": torch.zeros(1, WIDTH + 1),
    }
    save_file(one, loras / "one.safetensors")
    save_file({"bundle_emb.zebraword.emb_params": vectors(3)}, loras / "two.safetensors")
    for name, seed in {"filed": 1, "second": 3, "taken": 4}.items():
        save_file({"emb_params": vectors(seed)}, embeddings / f"{name}.safetensors")
    save_file({"emb_params": torch.zeros(1, WIDTH + 2)}, embeddings / "wide.safetensors")
    return launch(root)


def make(held: Any, prompt: str, **fields: Any) -> dict[str, Any]:
    return dict(held.txt2img(prompt=prompt, steps=STEPS, **fields))


def test_the_lora_brings_the_word_along_and_takes_it_away(held: Any, read: Any) -> None:
    plain = make(held, "a zebraword ")
    told = make(held, "a zebraword <lora:one:1>")
    filed = make(held, "a filed ")
    assert read.difference(plain, told) > 0
    assert read.difference(told, filed) == 0, "as good as a file"
    assert read.difference(make(held, "a zebraword "), plain) == 0, "nothing is left behind"
    assert "TI hashes" not in read.pairs(plain)
    assert read.pairs(told)["TI hashes"] == "zebraword: one"
    assert read.info(told)["prompt"] == "a zebraword <lora:one:1>"
    assert "zebraword" not in str(held.get("/sdapi/v1/embeddings").json())


def test_the_negative_prompt_has_it_too(held: Any, read: Any) -> None:
    told = make(held, "an apple <lora:one:1>", negative_prompt="zebraword")
    assert read.difference(told, make(held, "an apple ", negative_prompt="filed")) == 0
    assert read.pairs(told)["TI hashes"] == "zebraword: one"


def test_the_first_of_two_loras_counts(held: Any, read: Any) -> None:
    told = make(held, "a zebraword <lora:two:1><lora:one:1>")
    assert read.difference(told, make(held, "a second ")) == 0
    assert read.pairs(told)["TI hashes"] == "zebraword: two"


def test_a_file_on_disk_goes_before(held: Any, read: Any) -> None:
    plain, told = make(held, "a taken "), make(held, "a taken <lora:one:1>")
    assert read.difference(plain, told) == 0
    digest = hashlib.sha256((held.data_dir / "embeddings" / "taken.safetensors").read_bytes()).hexdigest()
    assert read.pairs(told)["TI hashes"] == f"taken: {digest[:12]}"


def test_those_of_another_width_are_ordinary_words(held: Any, read: Any) -> None:
    told = make(held, "a wide <lora:one:1>")
    assert read.difference(told, make(held, "a wide ")) == 0
    assert "TI hashes" not in read.pairs(told)


def test_two_options_keep_it_out_of_the_infotext(held: Any, read: Any) -> None:
    prompt = "a zebraword filed <lora:one:1>"
    digest = hashlib.sha256((held.data_dir / "embeddings" / "filed.safetensors").read_bytes()).hexdigest()
    both = f"zebraword: one, filed: {digest[:12]}"
    assert read.pairs(make(held, prompt))["TI hashes"] == both
    off = make(held, prompt, override_settings={"lora_bundled_ti_to_infotext": False})
    assert read.pairs(off)["TI hashes"] == f"filed: {digest[:12]}"
    none = make(held, prompt, override_settings={"textual_inversion_add_hashes_to_infotext": False})
    assert "TI hashes" not in read.pairs(none)
    assert read.difference(off, none) == 0


def test_each_pass_has_those_of_its_own_prompt(held: Any, read: Any) -> None:
    hires = {"enable_hr": True, "denoising_strength": 0.6, "hr_scale": 1.5}
    second = make(held, "an apple", **hires, hr_prompt="a zebraword <lora:one:1>")
    assert read.difference(second, make(held, "an apple", **hires, hr_prompt="a filed ")) == 0
    assert read.pairs(second)["Lora hashes"].startswith("one: ")
    first = make(held, "a zebraword <lora:one:1>", **hires, hr_prompt="a zebraword ")
    assert read.difference(first, make(held, "a filed ", **hires, hr_prompt="a zebraword ")) == 0


def test_what_both_passes_use_is_told(held: Any, read: Any) -> None:
    hires = {"enable_hr": True, "denoising_strength": 0.6, "hr_scale": 1.5}
    both = make(held, "a zebraword <lora:one:1>", **hires, hr_prompt="a filed zebraword <lora:two:1>")
    names = [pair.split(": ")[0] for pair in read.pairs(both)["Lora hashes"].split(", ")]
    assert names == ["one", "two"]
    found = read.pairs(both)["TI hashes"].split(", ")
    assert found[0].startswith("filed: ")
    assert found[1:] == ["zebraword: two", "zebraword: one"]


def test_networks_that_are_off_bring_nothing(held: Any, read: Any) -> None:
    off = make(held, "a zebraword <lora:one:1>", disable_extra_networks=True)
    assert read.difference(off, make(held, "a zebraword ")) == 0


def test_files_that_come_later_are_found_when_they_are_needed(held: Any, read: Any) -> None:
    before = make(held, "a late ")
    save_file({"emb_params": vectors(1)}, held.data_dir / "embeddings" / "late.safetensors")
    late = make(held, "a late ")
    assert read.difference(before, late) > 0
    assert read.pairs(late)["TI hashes"].startswith("late: ")
    assert "Lora hashes" not in read.pairs(make(held, "an apple <lora:later:1>"))
    save_file(
        {"bundle_emb.laterword.emb_params": vectors(3)},
        held.data_dir / "models" / "Lora" / "later.safetensors",
    )
    later = read.pairs(make(held, "a laterword <lora:later:1>"))
    assert later["TI hashes"] == "laterword: later"
    assert later["Lora hashes"].startswith("later: ")
