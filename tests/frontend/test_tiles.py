"""Values behind themselves, pooled over channels and on a finer grid."""

from __future__ import annotations

import pytest
from torch import Tensor, nn

from hwgen.errors import HwgenError
from hwgen.nn import BinaryLinear
from hwgen.nn.grid import pool_channels, tile_channels, upsample_grid
from hwgen.passes.lower import lower_model
from tests.frontend.nets import Net, compiles, seeded
from tests.networks import IMAGE
from tests.schedule.test_program import check as check_program


class Tokens(nn.Module):
    """A part on tokens (B, 64, 32), on a grid before and behind it."""

    def __init__(self, line: nn.Module) -> None:
        super().__init__()
        self.line = line

    def forward(self, x: Tensor) -> Tensor:
        tokens = self.part(x.flatten(2).transpose(1, 2))
        side = round(tokens.shape[1] ** 0.5)
        return tokens.transpose(1, 2).unflatten(2, (side, side))

    def part(self, x: Tensor) -> Tensor:
        return x + self.line(tile_channels(x, 2))


class Finer(Tokens):
    def part(self, x: Tensor) -> Tensor:
        fine = upsample_grid(x, 8, 2)
        return fine + self.line(fine)


class Mlp(Tokens):
    """A hidden layer `times` as wide, with the residuals of BHViT."""

    def __init__(self, times: int) -> None:
        super().__init__(BinaryLinear(32, 32 * times))
        self.back, self.times = BinaryLinear(32 * times, 32), times

    def part(self, x: Tensor) -> Tensor:
        hidden = self.line(x) + tile_channels(x, self.times)
        return self.back(hidden) + pool_channels(hidden, self.times) + x


@pytest.mark.parametrize("times", [1, 16, 32])
def test_hidden_layers_of_any_width(times: int) -> None:
    """A word is the mean of at most eight channels; more are means of means."""
    runs(seeded(lambda: Net(Mlp(times))))


def test_channels_that_no_means_of_pairs_pool_are_refused() -> None:
    with pytest.raises(HwgenError) as error:
        lower_model(seeded(lambda: Net(Mlp(3))), meta={"image": IMAGE})
    assert str(error.value) == "body: pool_channels factor=3; supported: powers of two"


class Normed(Tokens):
    """Means of channels behind what makes all words of a token at once."""

    def __init__(self) -> None:
        super().__init__(BinaryLinear(32, 32))
        self.wide, self.norm = BinaryLinear(32, 128), nn.LayerNorm(128)

    def part(self, x: Tensor) -> Tensor:
        return self.line(pool_channels(self.norm(self.wide(x)), 4))


def test_means_of_channels_behind_a_norm() -> None:
    runs(seeded(lambda: Net(Normed())))


def runs(module: nn.Module) -> None:
    """Golden against PyTorch, and the program against the golden model."""
    compiles(module)
    check_program(lower_model(module, meta={"image": IMAGE}), {})


def test_a_layer_of_a_value_behind_itself() -> None:
    """The sign is no sum that could address the value twice: its channels are copied."""
    compiles(seeded(lambda: Net(Tokens(BinaryLinear(64, 32)))))


def test_a_layer_of_a_finer_grid_is_refused_by_name() -> None:
    with pytest.raises(HwgenError) as error:
        lower_model(seeded(lambda: Net(Finer(BinaryLinear(32, 32)))), meta={"image": IMAGE})
    assert str(error.value) == (
        "body.line.sign: a sign of a value after upsample; tile, pool and window_merge must feed a "
        "sum or the sign of a binary layer"
    )
