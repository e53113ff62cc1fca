from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from sdapi_compat.backend.adapters.tensors import check_plain, fit, kronecker, product, scale, tucker
from sdapi_compat.backend.headers import BadWeightFile

Random = Callable[..., Tensor]
HUGE = 10**6


def _expanded(*shape: int) -> Tensor:
    """A tensor of that shape with one element in memory."""
    return torch.zeros(1).expand(*shape)


@pytest.mark.parametrize(
    ("parts", "rank", "want"),
    [
        ({}, 4, 1.0),
        ({"alpha": torch.tensor(2.0)}, 4, 0.5),
        ({"alpha": torch.tensor([8])}, 4, 2.0),
        ({"alpha": torch.tensor(2.0)}, None, 1.0),
        ({"alpha": torch.tensor(2.0)}, 0, 1.0),
        ({"alpha": torch.tensor(2.0), "scale": torch.tensor(0.3)}, 4, 0.3),
    ],
)
def test_the_scale_rule(parts: dict[str, Tensor], rank: int | None, want: float) -> None:
    assert scale(parts, rank) == pytest.approx(want)


@pytest.mark.parametrize(
    "tensor",
    [torch.zeros(3), torch.zeros(4, 4).T, torch.zeros(8)[2:4], torch.tensor(1.0), torch.zeros(0, 5)],
)
def test_ordinary_tensors_pass(tensor: Tensor) -> None:
    check_plain("x", tensor)


@pytest.mark.filterwarnings("ignore:torch.quantize_per_tensor")
@pytest.mark.parametrize(
    "make",
    [
        lambda: _expanded(HUGE, HUGE),
        lambda: torch.empty(HUGE, HUGE, device="meta"),
        lambda: torch.eye(3).to_sparse(),
        lambda: torch.zeros(2, dtype=torch.complex64),
        lambda: torch.quantize_per_tensor(torch.zeros(2), 1.0, 0, torch.qint8),
        lambda: "text",
    ],
    ids=["expanded", "meta", "sparse", "complex", "quantized", "text"],
)
def test_extraordinary_values_do_not(make: Callable[[], object]) -> None:
    with pytest.raises(BadWeightFile, match="'x'"):
        check_plain("x", make())


def test_nothing_larger_than_the_weight_is_computed() -> None:
    weight, row, column = torch.zeros(4, 4), _expanded(1, HUGE), _expanded(HUGE, 1)
    for compute in (
        lambda: product(column, row, weight),
        lambda: tucker(column, _expanded(1, 1, 3, 3), row, weight),
        lambda: kronecker(column, row, weight),
    ):
        with pytest.raises(BadWeightFile, match=r"Expected factors for the shape \[4, 4\]"):
            compute()  # type: ignore[no-untyped-call]


def test_a_core_of_absurd_rank_is_refused() -> None:
    with pytest.raises(BadWeightFile, match="rank of at most"):
        tucker(_expanded(4, 1), _expanded(1, HUGE, 1, 1), _expanded(HUGE, 4), torch.zeros(4, 4))


@settings(max_examples=40, deadline=None)
@given(
    rows=st.integers(1, 5), columns=st.integers(1, 12), kernel=st.sampled_from([1, 3]), saved=st.booleans()
)
def test_values_that_fit_keep_their_order(rows: int, columns: int, kernel: int, saved: bool) -> None:
    weight = torch.zeros(rows, columns, kernel, kernel)
    values = torch.arange(weight.numel()).float()
    found = fit(values.reshape(weight.shape) if saved else values.reshape(rows, -1), weight)
    assert torch.equal(found.flatten(), values)
    assert found.shape == weight.shape


def test_no_values_for_a_scalar(random: Random) -> None:
    with pytest.raises(BadWeightFile, match="Expected values"):
        fit(torch.tensor(1.0), random(1, 4))
