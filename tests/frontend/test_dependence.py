"""What depends on the image and is no operation of the graph is refused, never a constant."""

from __future__ import annotations

import dataclasses
import re
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hwgen.errors import UnsupportedOpError
from hwgen.frontend import layers
from hwgen.frontend.handlers import MODULES
from hwgen.frontend.trace import trace
from tests.frontend.nets import Net, agrees, first_reason, seeded
from tests.networks import IMAGE

SEEN: list[Tensor] = []


@dataclasses.dataclass
class Pair:
    first: Tensor
    second: Tensor


@torch.fx.wrap
def wrapped(x: Tensor) -> Tensor:
    return x * 2.0


@torch.fx.wrap
def stashes(x: Tensor) -> Tensor:
    SEEN[:] = [x]
    return x


@torch.fx.wrap
def recalls() -> Tensor:
    return SEEN[0]


def chunked(self: Any, x: Tensor) -> Tensor:
    a, b = x.chunk(2, 2)
    return torch.cat((b, a), 2)


def assigned_buffer(self: Any, x: Tensor) -> Tensor:
    self.kept = x.mean((0, 2, 3))
    return x + self.kept.view(1, -1, 1, 1)


def written(self: Any, x: Tensor) -> Tensor:
    y = x.clone()
    y[:, 0] = 0.0
    return y


def copied(self: Any, x: Tensor) -> Tensor:
    self.kept.copy_(x.mean((0, 2, 3)))
    return x + self.kept.view(1, -1, 1, 1)


def out_argument(self: Any, x: Tensor) -> Tensor:
    torch.mul(x, 2.0, out=self.buffer_like(x))
    return x


def out(self: Any, x: Tensor) -> Tensor:
    y = torch.zeros_like(x)
    torch.mul(x, 2.0, out=y)
    return x + y


def view_of_overwritten(self: Any, x: Tensor) -> Tensor:
    tokens = x.flatten(2)
    x += 1.0
    return x + tokens.view(x.shape)


def in_a_dict(self: Any, x: Tensor) -> Tensor:
    parts = {"top": x.amax((2, 3), keepdim=True)}
    return x + parts["top"]


def in_a_dataclass(self: Any, x: Tensor) -> Tensor:
    pair = Pair(x, torch.topk(x, 2, 1).values[:, :1])
    return pair.first + pair.second


def in_numpy(self: Any, x: Tensor) -> Tensor:
    return x + np.sqrt(x)


def remembered(self: Any, x: Tensor) -> Tensor:
    before, self.stash = self.stash, x.mean()
    return x if before is None else x + before


def hook(module: nn.Module, args: Any, result: Tensor) -> Tensor:
    return result + 1.0


def hooked() -> nn.Module:
    layer = nn.Conv2d(32, 32, 1)
    layer.register_forward_hook(hook)
    return layer


ANY = r"supported: what is computed from shapes or parameters alone$"
STAY = rf"a value that depends on the image must stay a tensor of the traced network; {ANY}"
REFUSED = {
    "chunk": (chunked, r"^body: chunk along axis 2 of "),
    "getitem": (lambda s, x: x + x[:, :1], r"^body: a sum of \(64, 32\) and \(64, 1\); "),
    "maximum over tokens": (
        lambda s, x: x + x.flatten(2).amax(2)[..., None, None], r"^body: amax; supported: add, "),
    "max with indices": (
        lambda s, x: x + torch.max(x, 1, keepdim=True)[0], r"^body: max; supported: "),
    "split": (lambda s, x: torch.cat(x.split(4, 3), 3), r"^body: split along axis 3 of "),
    "unbind": (lambda s, x: x + x.unbind(1)[3][:, None], r"^body: unbind along axis 1 of "),
    "item": (lambda s, x: x + x.mean().item(), r"^body: mean over B\*C\*X\*Y; supported: mean ove"),
    "item of a token": (lambda s, x: x * x[0, 0, 0, 0].item(), r"^body: indexing \[0, 0, 0, 0\]; "),
    "float()": (lambda s, x: x + float(x.mean()), rf"^body: float\(\) of a traced value; {STAY}"),
    "int()": (lambda s, x: x + int(x.sum()), rf"^body: int\(\) of a traced value; {STAY}"),
    "index": (lambda s, x: x + s.kept[x.argmax() % 32], r"^body: argmax; supported: "),
    "bool()": (
        lambda s, x: x if x.sum() > 0 else -x,
        rf"^body: bool\(\) of a traced value; control flow must not depend on it; {ANY}"),
    "numpy": (in_numpy, rf"^body: numpy of a traced value; {STAY}"),
    "dict": (in_a_dict, r"^body: amax; supported: add, "),
    "dataclass": (in_a_dataclass, r"^body: topk; supported: "),
    "setitem": (written, r"^body: setitem; supported: "),
    "copy_": (copied, rf"^body: copy_ writes what depends on the image into a constant; {STAY}"),
    "out=": (out, rf"^body: mul writes what depends on the image into a constant; {STAY}"),
    "buffer": (assigned_buffer, r"^body: mean over B\*X\*Y; supported: "),
    "another attribute": (
        lambda s, x: setattr(x, "grad", x * 2), rf"^body: an assignment to .grad; {STAY}"),
    "overwritten": (
        view_of_overwritten,
        r"^body: a value that iadd has overwritten; it is read again under another name; write x "),
    "where": (lambda s, x: torch.where(x > 0.5, x, 0.1 * x), r"^body: gt; supported: "),
    "masked_fill": (lambda s, x: x.masked_fill(x < 0.5, 0.0), r"^body: lt; supported: "),
    "comparison": (lambda s, x: x + (x > 0.5), r"^body: gt; supported: "),
    "wrapped function": (lambda s, x: wrapped(x), r"^body: wrapped; supported: "),
    "operand": (
        lambda s, x: F.conv2d(x, torch.eye(32)[..., None, None] * x[0, 0, 0, 0]),
        r"^body: indexing \[0, 0, 0, 0\]; supported: of sides of one cell, ranges"),
    "weights": (
        lambda s, x: F.conv2d(x, x[0].mean((1, 2)).expand(32, 32)[..., None, None]),
        r"^body: indexing \[0\]; supported: of sides of one cell, ranges"),
    "kwargs": (lambda s, x: torch.add(input=x, other=x, alpha=2.0), r"^body: add with 1 operands,"),
    "hook": (hooked(), r"^body: Conv2d with a forward hook hook; hooks are not traced; remove it$"),
    "random": (
        lambda s, x: x + torch.rand(32, 1, 1),
        r"^Net: the traced graph differs from the network at its output; they must agree on every "
        r"image; forward must keep no state, draw no random numbers and pass on tensors only$"),
    "dropout": (
        lambda s, x: F.dropout(x, 0.5),
        r"^body: dropout p=0.5 in eval mode; supported: none in eval mode; pass training=self.tra"),
    "state": (remembered, r"^Net: the traced graph differs from the network at its output; they m"),
    "stash": (lambda s, x: stashes(x) * 0.0 + recalls(), r"^body: stashes; supported: "),
    "hidden stash": (
        lambda s, x: (stashes(x), x + recalls()[0])[1],
        r"^Net: the traced graph differs from the network at its output; they must agree on every"),
    "two outputs": (
        lambda s, x: (x, x.mean()),
        r"^head: fails while it is traced: 'tuple' object has no attribute 'mean'; a value that "),
}  # fmt: skip


FURTHER = {  # reasons behind the first
    "maximum over tokens": ("body: a sum of (64, 32) and (1, 32); needs equal shapes",),
    "dataclass": ("body: a sum of (64, 32) and (64, 1); needs equal shapes",),
    "stash": (
        "body: a sum with a parameter of shape (2, 32, 8, 8); it must broadcast over the batch",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused(case: str) -> None:
    part, message = REFUSED[case]
    with pytest.raises(UnsupportedOpError) as caught:
        trace(seeded(lambda: Net(part)), IMAGE)
    assert re.search(message, first_reason(caught.value))
    assert caught.value.lines[2:] == FURTHER.get(case, ())


def shaped(self: Any, x: Tensor) -> Tensor:
    b, c, h, w = x.shape
    assert (h, c, len(x), x.dim()) == (w, 32, b, 4)
    side = int((h * w) ** 0.5)
    tokens = x.reshape(b, c, -1).transpose(1, 2)
    if tokens.size(1) != side * side:
        raise ValueError
    return tokens.transpose(1, 2).view(b, c, side, side) / c + torch.zeros_like(x)


def in_place(self: Any, x: Tensor) -> Tensor:
    identity = x
    x = F.relu(self.bn(self.conv(x)), inplace=True)
    x += identity
    return F.leaky_relu_(x, 0.25) if hasattr(F, "never") else x.relu_()


def read_again(self: Any, x: Tensor) -> Tensor:
    before = x
    x += 1.0
    return x * 2.0 + before


def under_another_name(self: Any, x: Tensor) -> Tensor:
    y = nn.Identity()(x)
    F.relu(y, inplace=True)
    return x + 0.5 * y


def unused(self: Any, x: Tensor) -> Tensor:
    torch.max(x, 1)
    self.stash = x.mean().item()
    return x


def held(self: Any, x: Tensor) -> Tensor:
    values = {"x": [x, Pair(x, self.conv(x))]}
    return values["x"][0] + values["x"][1].second  # type: ignore[union-attr]


def of_parameters(self: Any, x: Tensor) -> Tensor:
    gain = self.scale.mean().item() if self.scale.min() > 0 else 1.0
    weight = self.scale.clone()
    weight[:, 0] = gain
    return x * weight / float(self.scale.max())


CONTROLS = {
    "shapes": shaped, "in place": in_place, "in place and read again": read_again,
    "in place under another name": under_another_name, "unused values": unused,
    "held in containers": held, "parameters": of_parameters,
}  # fmt: skip


@pytest.mark.parametrize("case", CONTROLS)
def test_controls(case: str) -> None:
    agrees(seeded(lambda: Net(CONTROLS[case])))


def test_in_place_module_on_a_residual() -> None:
    """nn.ReLU(inplace=True) changes what the residual adds: so it does in the graph."""

    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.act = nn.ReLU(inplace=True)

        def forward(self, x: Tensor) -> Tensor:
            return self.act(x) - 0.25 * x

    agrees(seeded(lambda: Net(Block())))


def test_the_network_is_left_as_it_was() -> None:
    def forward(self: Any, x: Tensor) -> Tensor:
        self.stash = x
        self.kept.add_(1.0)
        self.float_weight.data.clamp_(-0.1, 0.1)
        return x * torch.ones(32, 1, 1)

    net = seeded(lambda: Net(forward)).train()
    before = {k: v.clone() for k, v in net.state_dict().items()}
    attributes = {name: set(vars(m)) for name, m in net.named_modules()}
    trace(net, IMAGE)
    assert net.body.stash is None
    assert net.training
    assert net.stem.training
    assert {name: set(vars(m)) for name, m in net.named_modules()} == attributes
    for key, value in net.state_dict().items():
        assert value.dtype == before[key].dtype
        assert torch.equal(value, before[key]), key


def test_second_arguments_take_their_defaults() -> None:
    class Two(Net):
        def forward(self, image: Tensor, target: Any = None, *, scale: float = 1.0) -> Any:
            return super().forward(image) if target is None else target

    agrees(seeded(lambda: Two(nn.Identity())))


def test_a_second_input() -> None:
    class Two(Net):
        def forward(self, image: Tensor, mask: Tensor) -> Any:
            return super().forward(image * mask)

    with pytest.raises(UnsupportedOpError) as caught:
        trace(seeded(lambda: Two(nn.Identity())), IMAGE)
    assert str(caught.value) == "Two: an argument mask of forward; a network has one image input"


def test_a_wrong_handler_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """A planted fault of ours: the comparison names the operation."""
    monkeypatch.setitem(MODULES, nn.ReLU, layers.identity)
    with pytest.raises(UnsupportedOpError) as caught:
        trace(seeded(lambda: Net(nn.Sequential(nn.Conv2d(32, 32, 1), nn.ReLU()))), IMAGE)
    assert str(caught.value) == (
        "body.1: the traced graph differs from the network at ReLU; they must agree on every image"
    )


def test_a_layer_patched_from_outside() -> None:
    """A `forward` of one layer that its class knows nothing of."""
    net = seeded(lambda: Net(nn.Conv2d(32, 32, 1)))
    forward = net.body.forward
    net.body.forward = lambda x: forward(x) + 1e-4
    with pytest.raises(UnsupportedOpError, match=r"^body: the traced graph differs .* at Conv2d; "):
        trace(net, IMAGE)


def test_a_network_that_needs_a_batch() -> None:
    def forward(self: Any, x: Tensor) -> Tensor:
        if len(x) == 1:
            raise ValueError("expected more than 1 value per channel")
        return x

    with pytest.raises(UnsupportedOpError) as caught:
        trace(seeded(lambda: Net(forward)), IMAGE)
    assert str(caught.value) == (
        "Net: fails on a single image: expected more than 1 value per channel; the engine "
        "classifies one image at a time"
    )
