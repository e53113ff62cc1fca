"""A seed is a picture: alone, in batches, after other requests, and between two seeds."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest


def test_the_same_seed_is_the_same_picture_byte_for_byte(server: Any, read: Any) -> None:
    first = server.txt2img(seed=11)
    other = server.txt2img(seed=12, prompt="a green leaf")
    again = server.txt2img(seed=11)
    assert first["images"] == again["images"]
    assert read.difference(first, other) > 10


@pytest.mark.parametrize("sampler", ["Euler", "Euler a"])
def test_a_batch_is_its_pictures_made_alone(server: Any, read: Any, sampler: str) -> None:
    batch = server.txt2img(seed=20, batch_size=3, sampler_name=sampler)
    assert read.info(batch)["all_seeds"] == [20, 21, 22]
    for index in range(3):
        alone = server.txt2img(seed=20 + index, sampler_name=sampler)
        assert np.abs(read.pixels(batch, index) - read.pixels(alone)).max() <= 2
        assert read.info(batch)["infotexts"][index] == read.info(alone)["infotexts"][0]


def test_iterations_count_the_seed_up(server: Any, read: Any) -> None:
    reply = server.txt2img(seed=30, n_iter=3)
    assert read.info(reply)["all_seeds"] == [30, 31, 32]
    assert reply["images"][2] == server.txt2img(seed=32)["images"][0]


def test_batches_and_iterations_together(server: Any, read: Any) -> None:
    reply = server.txt2img(seed=40, batch_size=2, n_iter=2)
    info = read.info(reply)
    assert (len(reply["images"]), len(info["infotexts"]), info["batch_size"]) == (4, 4, 2)
    assert info["all_seeds"] == [40, 41, 42, 43]
    assert [read.pairs(reply, index)["Seed"] for index in range(4)] == ["40", "41", "42", "43"]
    last = read.pixels(server.txt2img(seed=43))
    assert np.abs(read.pixels(reply, 3) - last).max() <= 2


@pytest.mark.parametrize("seed", [-1, None])
def test_a_random_seed_is_reported_and_makes_the_picture_again(server: Any, read: Any, seed: Any) -> None:
    first, second = server.txt2img(seed=seed), server.txt2img(seed=seed)
    drawn = read.info(first)["seed"]
    assert 0 <= drawn <= 4294967293
    assert drawn != read.info(second)["seed"]
    assert first["parameters"]["seed"] == seed
    assert server.txt2img(seed=drawn)["images"] == first["images"]


@pytest.mark.parametrize(("sent", "meant"), [("17", 17), (17.0, 17), (2**40, 2**40), (-5, -5)])
def test_seeds_as_clients_send_them(server: Any, read: Any, sent: Any, meant: int) -> None:
    reply = server.txt2img(seed=sent)
    assert read.info(reply)["seed"] == meant
    assert read.pairs(reply)["Seed"] == str(meant)
    assert reply["parameters"]["seed"] == meant


def test_no_variation_is_the_plain_picture(server: Any, read: Any) -> None:
    plain = server.txt2img(seed=50)
    varied = server.txt2img(seed=50, subseed=99, subseed_strength=0)
    assert varied["images"] == plain["images"]
    assert read.info(varied)["subseed"] == 99
    assert "Variation seed" not in read.pairs(varied)


def test_full_variation_is_the_other_picture(server: Any, read: Any) -> None:
    varied = server.txt2img(seed=50, subseed=51, subseed_strength=1.0)
    assert read.difference(varied, server.txt2img(seed=51)) <= 2
    assert read.pairs(varied)["Variation seed"] == "51"
    assert read.pairs(varied)["Variation seed strength"] == "1.0"


def test_half_a_variation_is_neither(server: Any, read: Any) -> None:
    varied = server.txt2img(seed=50, subseed=51, subseed_strength=0.5)
    assert read.difference(varied, server.txt2img(seed=50)) > 5
    assert read.difference(varied, server.txt2img(seed=51)) > 5


def test_a_batch_of_variations_shares_its_seed(server: Any, read: Any) -> None:
    reply = server.txt2img(seed=60, subseed=70, subseed_strength=0.4, batch_size=2)
    info = read.info(reply)
    assert info["all_seeds"] == [60, 60]
    assert info["all_subseeds"] == [70, 71]
    assert info["subseed_strength"] == 0.4
    assert [read.pairs(reply, index)["Variation seed"] for index in range(2)] == ["70", "71"]
    alone = server.txt2img(seed=60, subseed=71, subseed_strength=0.4)
    assert np.abs(read.pixels(reply, 1) - read.pixels(alone)).max() <= 2


def test_a_random_subseed_is_reported(server: Any, read: Any) -> None:
    reply = server.txt2img(seed=60, subseed_strength=0.4)
    drawn = read.info(reply)["subseed"]
    assert read.pairs(reply)["Variation seed"] == str(drawn)
    assert server.txt2img(seed=60, subseed=drawn, subseed_strength=0.4)["images"] == reply["images"]


def test_seed_resize_keeps_the_layout_of_another_size(server: Any, read: Any) -> None:
    plain = server.txt2img(seed=80, width=96)
    resized = server.txt2img(seed=80, width=96, seed_resize_from_w=64, seed_resize_from_h=64)
    assert read.difference(plain, resized) > 5
    assert read.pairs(resized)["Seed resize from"] == "64x64"
    info = read.info(resized)
    assert (info["seed_resize_from_w"], info["seed_resize_from_h"]) == (64, 64)


def test_seed_resize_of_one_side_does_nothing(server: Any, read: Any) -> None:
    plain = server.txt2img(seed=80)
    one = server.txt2img(seed=80, seed_resize_from_w=32)
    assert one["images"] == plain["images"]
    assert "Seed resize from" not in read.pairs(one)


@pytest.mark.parametrize("source", ["CPU", "NV"])
def test_noise_sources(server: Any, read: Any, source: str) -> None:
    reply = server.txt2img(seed=90, override_settings={"randn_source": source})
    assert read.pairs(reply)["RNG"] == source
    again = server.txt2img(seed=90, batch_size=2, override_settings={"randn_source": source})
    assert np.abs(read.pixels(again, 0) - read.pixels(reply)).max() <= 2


def test_the_sources_differ(server: Any, read: Any) -> None:
    cpu = server.txt2img(seed=90, override_settings={"randn_source": "CPU"})
    nv = server.txt2img(seed=90, override_settings={"randn_source": "NV"})
    assert read.difference(cpu, nv) > 10


def test_the_seed_delta_moves_ancestral_noise_only(server: Any, read: Any) -> None:
    delta = {"eta_noise_seed_delta": 31337}
    for sampler, moved in (("Euler a", True), ("Euler", False)):
        plain = server.txt2img(seed=91, steps=3, sampler_name=sampler)
        other = server.txt2img(seed=91, steps=3, sampler_name=sampler, override_settings=delta)
        assert (read.difference(plain, other) > 2) == moved
        assert ("ENSD" in read.pairs(other)) == moved
