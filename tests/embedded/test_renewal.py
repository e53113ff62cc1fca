"""What heads do not need is given to what no head reads."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("diffusers")

from sdapi_compat.embedded.train.diffusion import build_unet  # noqa: E402
from sdapi_compat.embedded.train.guidance import pieces_of  # noqa: E402
from sdapi_compat.embedded.train.layout import CODE, PART_SIDE, PartCode  # noqa: E402
from sdapi_compat.embedded.train.renewal import RENEWED, Heads, left_unread, renewed  # noqa: E402

PIXELS = PART_SIDE**2 * 3


@pytest.fixture(scope="module")
def code() -> PartCode:
    """Any orthonormal axes."""
    torch.manual_seed(3)
    return PartCode(torch.zeros(PIXELS), torch.linalg.qr(torch.randn(PIXELS, CODE))[0], 2.0)


@pytest.fixture(scope="module")
def moment() -> torch.Tensor:
    """Codes whose components fall in strength."""
    return torch.diag(torch.linspace(2.0, 0.1, CODE, dtype=torch.float64))


def test_nothing_is_left_of_what_is_read(moment: torch.Tensor) -> None:
    torch.manual_seed(4)
    piece = torch.randn(8, CODE, dtype=torch.float64)
    assert float(left_unread(piece, piece, moment).abs().max()) < 1e-6
    half = left_unread(piece[:4], piece, moment)
    assert float(half[:4].abs().max()) < 1e-6
    assert float(half[4:, 4:].diagonal().min()) > 1.0


def test_sorting_channels_changes_no_effect(code: PartCode) -> None:
    weights = build_unet(code).state_dict()
    name = next(iter(RENEWED[0]))
    heads = Heads.of(weights, name)
    found = heads.sorted(torch.eye(CODE, dtype=torch.float64))
    assert torch.allclose(found.written @ found.read, heads.written @ heads.read, atol=1e-6)
    effects = found.read[..., :CODE].norm(dim=2)
    assert bool((effects.diff(dim=1) < 1e-6).all())
    again = heads.weights(name)
    assert all(torch.equal(again[key], weights[key]) for key in again)


def test_more_of_the_plan_is_read_and_new_channels_have_no_effect_yet(
    code: PartCode, moment: torch.Tensor
) -> None:
    before = build_unet(code).state_dict()
    after = before | renewed(before, code, moment)
    pieces = pieces_of(code).double()
    for level in RENEWED:

        def unread(weights: dict[str, torch.Tensor], level: dict[str, int] = level) -> float:
            heads = [Heads.of(weights, name).read[..., :CODE] for name in level]
            left = [
                left_unread(torch.cat([read[head] for read in heads]), piece, moment).trace()
                for head, piece in enumerate(pieces)
            ]
            return float(torch.stack(left).sum())

        assert unread(after) < (0.95 if len(level) == 1 else 0.8) * unread(before)
        for name, count in level.items():
            assert float(Heads.of(after, name).written[..., -count:].abs().max()) == 0.0
