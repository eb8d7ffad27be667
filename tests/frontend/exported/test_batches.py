"""Shapes that name a batch, for another batch: as PyTorch gives them."""

from __future__ import annotations

import pytest
import torch

from hwgen.frontend.exported.batches import expanded, viewed

VIEWS = [  # operand and result of one image; `N` stands for the batch
    (("N", 3, 4, 5), ("N", 3, 20)),
    (("N", 3, 4, 5), ("N", 60)),
    (("N", 6, 4), ("N", 2, 3, 4)),
    ((3, "N", 8), (3, "N", 2, 4)),
    ((3, "N", 8), (1, 3, "N", 8)),
    (("N", 2, 2, 3, 4), ("4N", 3, 4)),  # windows
    (("4N", 3, 4), ("N", 4, 12)),
    (("4N", 3, 4), ("N", 2, 2, 3, 4)),
    (("N", 1, 1), ("N", 1)),
]


def sizes(shape: tuple[int | str, ...], batch: int) -> list[int]:
    """`4N` is four times the batch."""
    return [n if isinstance(n, int) else int(n[:-1] or 1) * batch for n in shape]


@pytest.mark.parametrize(("operand", "result"), VIEWS)
@pytest.mark.parametrize("stated", [1, 2, 3])
@pytest.mark.parametrize("now", [1, 2, 4, 6])
def test_views(operand: tuple, result: tuple, stated: int, now: int) -> None:
    given = sizes(operand, stated), sizes(operand, now), sizes(result, stated)
    assert viewed(*given) == sizes(result, now)


def test_what_holds_no_batch_is_left_to_the_program() -> None:
    assert viewed((1, 4, 4), (2, 4, 8), (1, 16)) is None  # two axes are others
    assert viewed((1, 4), (1, 1, 4), (4,)) is None
    assert viewed((3, 1, 4), (3, 2, 4), (4, 3)) is None  # its place lies within an axis


@pytest.mark.parametrize("now", [1, 2, 5])
def test_repeated(now: int) -> None:
    want = list(torch.zeros(now, 1, 4).expand(-1, 3, 4).shape)
    assert expanded((1, 1, 4), (now, 1, 4), (1, 3, 4)) == want
    assert expanded((1, 4), (now, 4), (7, 1, 4)) == [7, now, 4]
    assert expanded((1, 4), (2, 5), (1, 4)) is None
