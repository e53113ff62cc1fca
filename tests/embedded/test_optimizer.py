"""Muon for hidden weights, AdamW for the others, and the learning rate of a run."""

from __future__ import annotations

from copy import deepcopy

import pytest

torch = pytest.importorskip("torch")

from sdapi_compat.embedded.train.optimizer import HiddenOptimizer, as_matrix, falling  # noqa: E402


def _network() -> torch.nn.Sequential:
    torch.manual_seed(1)
    network = torch.nn.Sequential(
        torch.nn.Conv2d(3, 8, 3, padding=1), torch.nn.SiLU(), torch.nn.Flatten(), torch.nn.Linear(8 * 16, 2)
    )
    return network.to(memory_format=torch.channels_last)


def _is_hidden(_name: str, weight: torch.nn.Parameter) -> bool:
    return weight.ndim > 1


def test_it_learns_and_goes_on_where_it_stopped() -> None:
    network = _network()
    optimizer = HiddenOptimizer(network, _is_hidden)
    pictures, wanted = torch.randn(16, 3, 4, 4), torch.randn(16, 2)
    losses = []
    for _ in range(40):
        loss = (network(pictures) - wanted).square().mean()
        optimizer.step(loss, 0.01)
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.5 * losses[0]
    twin = _network()
    twin.load_state_dict(network.state_dict())
    again = HiddenOptimizer(twin, _is_hidden)
    again.load_state_dict(deepcopy(optimizer.state_dict()))
    for one, its in ((network, optimizer), (twin, again)):
        its.step((one(pictures) - wanted).square().mean(), 0.01)
    for name, weight in network.state_dict().items():
        assert torch.equal(weight, twin.state_dict()[name])


def test_a_convolution_s_update_is_orthogonal_over_patches() -> None:
    network = _network()
    before = network[0].weight.detach().clone()
    optimizer = HiddenOptimizer(network, _is_hidden)
    optimizer.step(network(torch.randn(4, 3, 4, 4)).square().mean(), 0.01)
    update = as_matrix((network[0].weight.detach() - before).contiguous(memory_format=torch.channels_last))
    strengths = torch.linalg.svdvals(update)
    assert float(strengths.max() / strengths.min()) < 3.0


def test_weights_in_another_order_of_memory_are_refused() -> None:
    network = torch.nn.Conv2d(3, 8, 3)
    with pytest.raises(ValueError, match="channels_last"):
        HiddenOptimizer(network, _is_hidden)


def test_the_rate_rises_at_the_start_of_all_and_falls_in_every_run() -> None:
    assert falling(1.0, 0.2, 0.0, 0) < 0.05
    assert falling(1.0, 0.2, 0.0, 5000) == 1.0
    assert falling(1.0, 0.2, 1.0, 5000) == pytest.approx(0.2)
