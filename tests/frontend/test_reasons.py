"""A network with several problems: all reasons at once, by layer, no consequences."""

from __future__ import annotations

import pickle
import re
from collections.abc import Sequence
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hwgen import zoo
from hwgen.errors import HwgenError, UnsupportedNetwork, UnsupportedOpError, _span, joined
from hwgen.floats.layout import on_grid
from hwgen.frontend import trace as trace_module
from hwgen.frontend.handlers import HANDLERS, MODULES
from hwgen.frontend.importer import Importer
from hwgen.frontend.keep import lent
from hwgen.frontend.record import record
from hwgen.frontend.signs import recognise
from hwgen.frontend.views import BATCH
from hwgen.nn import BinaryConv2d, TokenBuilder, prepend_token
from hwgen.passes.limits import refusals
from hwgen.passes.lower import lower_model
from tests.frontend.nets import Forward, Net, agrees, seeded
from tests.networks import IMAGE

CIRCULAR = "Conv2d with circular padding; supported: zero padding"
PRODUCT = "a product of two tensors; a factor must be a parameter"


def circular() -> nn.Module:
    return nn.Conv2d(32, 32, 3, padding=1, padding_mode="circular")


def error_of(net: nn.Module) -> HwgenError:
    with pytest.raises(HwgenError) as caught:
        lower_model(net.eval(), meta={"image": IMAGE})
    return caught.value


def short(line: str) -> str:
    """Without the names of all handlers."""
    return re.sub(r"; supported: (\w+, ){5,}.*", "; supported: ...", line)


class Of(nn.Module):
    """A function of (this module, x), with submodules a, b, ..."""

    def __init__(self, function: Forward, **modules: nn.Module) -> None:
        super().__init__()
        self.function = function
        for name, module in modules.items():
            self.add_module(name, module)

    def forward(self, x: Tensor) -> Tensor:
        return self.function(self, x)


def squeezed(s: nn.Module, x: Tensor) -> Tensor:
    """Squeeze and excitation: one problem, the gate."""
    return x * torch.sigmoid(s.b(F.relu(s.a(x.mean((2, 3)))))[..., None, None])


def attended(s: nn.Module, x: Tensor) -> Tensor:
    """Attention by hand: heads cut the channels; all else follows from that."""
    t = x.flatten(2).transpose(1, 2)
    b, n, c = t.shape
    q, k, v = s.qkv(t).reshape(b, n, 3, 2, c // 2).permute(2, 0, 3, 1, 4)
    t = ((q @ k.transpose(-2, -1)).softmax(-1) @ v).transpose(1, 2).reshape(b, n, c)
    return s.proj(t).transpose(1, 2).reshape(b, c, 8, 8)


def shuffled(s: nn.Module, x: Tensor) -> Tensor:
    return x.view(len(x), 2, 16, 8, 8).transpose(1, 2).reshape(len(x), 32, 8, 8)


def with_class_token(s: nn.Module, x: Tensor) -> Tensor:
    """Behind the class token no layout is known: what reads it is not judged."""
    t = prepend_token(x.flatten(2).transpose(1, 2), torch.zeros(1, 1, 32))
    t = s.a(t)
    return t[:, 1:].transpose(1, 2).reshape(len(x), 32, 8, 8)


def own_sign(s: nn.Module, x: Tensor) -> Tensor:
    """Not recognised as a sign; the convolution of two groups would be right if it were."""
    return s.conv(torch.erf(x))


def grouped() -> nn.Module:
    conv = nn.Conv2d(32, 32, 3, padding=1, groups=2)
    conv.weight.data = torch.sign(conv.weight.data)
    return conv


HEADS = (
    "matmul of channels cut into 1x2x16; supported: reshapes and permutations until they are one "
    "axis again"
)


def concatenated(s: nn.Module, x: Tensor) -> Tensor:
    """24 channels beside 24: copies of any channels are no reason."""
    return s.c(torch.cat([s.a(x), F.relu(s.b(x))], 1))


def mean_behind_a_class_token(s: nn.Module, x: Tensor) -> Tensor:
    t = prepend_token(x.flatten(2).transpose(1, 2), torch.zeros(1, 1, 32))
    x = t[:, 1:].transpose(1, 2).reshape(len(x), 32, 8, 8)
    return s.a(x) * x.mean(1, keepdim=True)


def exchanged(s: nn.Module, x: Tensor) -> Tensor:
    """Behind einsum: channels last, of a grid whose side is their number."""
    return s.norm(s.norm(torch.einsum("bchw->bhwc", s.narrow(x)))).permute(0, 3, 1, 2)


SEVERAL: dict[str, tuple[nn.Module, Sequence[str]]] = {
    "two layers": (
        nn.Sequential(nn.ELU(), circular()),
        ("body.0: ELU; supported: ...", f"body.1: {CIRCULAR}"),
    ),
    "functions in one forward": (
        Of(lambda s, x: torch.cos(torch.sin(x)) * x),
        ("body: sin; supported: ...", "body: cos; supported: ...", f"body: {PRODUCT}"),
    ),
    "four": (
        nn.Sequential(
            nn.GELU("tanh"),
            nn.Softplus(),
            Of(shuffled),
            nn.ELU(),
            nn.GroupNorm(4, 32),
            nn.PReLU(32),
        ),
        (
            "body.0: GELU approximate='tanh'; supported: the erf form",
            "body.1: Softplus; supported: ...",
            "body.3: ELU; supported: ...",
            "body.4: GroupNorm; supported: ...",
        ),
    ),
    "what the integer ops cannot compute, in its place": (
        nn.Sequential(
            BinaryConv2d(32, 32, 1, padding=1),
            nn.BatchNorm2d(32),
            nn.MaxPool2d(2),
            nn.ELU(),
            nn.Conv2d(32, 32, 1, padding=1),
        ),
        (
            "body.0: xnor_conv kernel=1 padding=1 dilation=1 grid=(8, 8); supported: every result "
            "sees the image",
            "body.3: ELU; supported: ...",
            "body.4: conv kernel=1 stride=1 padding=1 grid=(5, 5); supported: every result sees "
            "the image",
        ),
    ),
    "integer ops alone": (
        nn.Sequential(nn.Conv2d(32, 32, 1, padding=1), BinaryConv2d(32, 32, 1, padding=1)),
        (
            "body.0: conv kernel=1 stride=1 padding=1 grid=(8, 8); supported: every result sees "
            "the image",
            "body.1: xnor_conv kernel=1 padding=1 dilation=1 grid=(10, 10); supported: every "
            "result sees the image",
        ),
    ),
    "equal reasons of several layers": (
        nn.Sequential(nn.ELU(), nn.Softplus(), nn.ELU(), nn.BatchNorm2d(32), nn.ELU()),
        (
            "body.0 .. body.4 (3 layers): ELU; supported: ...",
            "body.1: Softplus; supported: ...",
        ),
    ),
    "in several blocks": (
        nn.Sequential(
            Of(attended, qkv=nn.Linear(32, 96), proj=nn.Linear(32, 32)),
            Of(squeezed, a=nn.Linear(32, 8), b=nn.Linear(8, 32)),
            Of(attended, qkv=nn.Linear(32, 96), proj=nn.Linear(32, 32)),
            circular(),
            nn.ELU(),
        ),
        (
            f"body.0 .. body.2 (2 layers): {HEADS}",
            f"body.1: {PRODUCT}",
            f"body.3: {CIRCULAR}",
            "body.4: ELU; supported: ...",
        ),
    ),
    "on another grid": (
        nn.Sequential(nn.Upsample(scale_factor=2), nn.ELU(), circular()),
        (
            "body.0: Upsample; supported: ...",
            "body.1: ELU; supported: ...",
            f"body.2: {CIRCULAR}",
        ),
    ),
    "a comparison behind another layer": (
        nn.Sequential(nn.ELU(), Of(lambda s, x: torch.where(x > 0.5, x, 0.5 * x))),
        ("body.0: ELU; supported: ...", "body.1: gt; supported: ..."),
    ),
    "where a layout is known again": (
        Of(mean_behind_a_class_token, a=nn.Conv2d(32, 32, 1)),
        (
            "body: prepend_token; a class token has no place on the grid; classify the mean over "
            "the tokens",
            "body: mean over C; supported: mean over all tokens",
            f"body: {PRODUCT}",
        ),
    ),
    "behind an unknown layout": (
        nn.Sequential(
            nn.ELU(), Of(with_class_token, a=nn.Sequential(nn.Linear(32, 32), nn.Softplus()))
        ),
        (
            "body.0: ELU; supported: ...",
            "body.1: prepend_token; a class token has no place on the grid; classify the mean over "
            "the tokens",
        ),
    ),
}
ONE: dict[str, tuple[nn.Module, str]] = {
    "heads": (Of(attended, qkv=nn.Linear(32, 96), proj=nn.Linear(32, 32)), f"body: {HEADS}"),
    "gate": (Of(squeezed, a=nn.Linear(32, 8), b=nn.Linear(8, 32)), f"body: {PRODUCT}"),
    "grouped convolution of a sign that is none": (
        Of(own_sign, conv=grouped()), "body: erf; supported: ..."),
    "mask": (Of(lambda s, x: x.masked_fill(x < 0.5, 0.0)), "body: lt; supported: ..."),
    "the same twice in a layer": (
        Of(lambda s, x: torch.sin(torch.sin(x) + 1.0)), "body: sin; supported: ..."),
    "channels that are moved": (
        nn.Sequential(
            Of(
                concatenated,
                a=nn.Conv2d(32, 24, 1), b=nn.Conv2d(32, 24, 1), c=nn.Conv2d(48, 32, 1),
            ),
            nn.ELU(),
        ),
        "body.1: ELU; supported: ...",
    ),
    "an exchange that nobody sees": (
        nn.Sequential(
            Of(exchanged, narrow=nn.Conv2d(32, 8, 1), norm=nn.LayerNorm(8)), nn.Conv2d(8, 32, 1)
        ),
        "body.0: einsum; supported: ...",
    ),
    "the same in all layers": (
        nn.Sequential(nn.ELU(), nn.PReLU(), nn.ELU()),
        "body.0 .. body.2 (2 layers): ELU; supported: ...",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", SEVERAL)
def test_every_reason_is_listed(case: str) -> None:
    part, lines = SEVERAL[case]
    error = error_of(seeded(lambda: Net(part)))
    assert [short(line) for line in error.lines] == [
        f"Net: {len(lines)} reasons why it cannot be compiled", *lines,
    ]  # fmt: skip
    assert isinstance(error, UnsupportedNetwork)


@pytest.mark.parametrize("case", ONE)
def test_what_follows_from_a_reason_is_none(case: str) -> None:
    part, line = ONE[case]
    error = error_of(seeded(lambda: Net(part)))
    assert [short(text) for text in error.lines] == [line]
    assert type(error) is UnsupportedOpError


def test_controls_compile() -> None:
    agrees(seeded(lambda: Net(nn.Sequential(nn.PReLU(), nn.Conv2d(32, 32, 3, padding=1)))))


STOPPED: dict[str, tuple[nn.Module, Sequence[str]]] = {
    "control flow": (
        nn.Sequential(nn.ELU(), Of(lambda s, x: x if x.sum() > 0 else -x), nn.Softplus()),
        (
            "body.0: ELU; supported: ...",
            "body.1: bool() of a traced value; control flow must not depend on it; supported: what "
            "is computed from shapes or parameters alone",
        ),
    ),
    "control flow behind a sign": (  # which is no reason
        nn.Sequential(
            nn.ELU(),
            Of(lambda s, x: torch.where(x >= 0, 1.0, -1.0)),
            Of(lambda s, x: s.a(x) if x.sum() > 0 else x, a=nn.Softplus()),
        ),
        (
            "body.0: ELU; supported: ...",
            "body.2: bool() of a traced value; control flow must not depend on it; supported: what "
            "is computed from shapes or parameters alone",
        ),
    ),
    "a layer that fails": (
        nn.Sequential(nn.ELU(), nn.Conv2d(8, 8, 1), nn.Softplus()),
        (
            "body.0: ELU; supported: ...",
            "body.1: fails on an image of 32x32x3: Given groups=1, weight of size [8, 8, 1, 1], "
            "expected input[2, 32, 8, 8] to have 8 channels, but got 32 channels instead; the "
            "network must run on its calibration images",
        ),
    ),
}


@pytest.mark.parametrize("case", STOPPED)
def test_reasons_before_the_end_of_the_trace(case: str) -> None:
    part, lines = STOPPED[case]
    assert [short(line) for line in error_of(seeded(lambda: Net(part))).lines] == [
        "Net: 2 reasons why it cannot be compiled; what comes behind "
        f"{lines[-1].split(':')[0]} is not known yet",
        *lines,
    ]


def test_the_output_is_judged_too() -> None:
    net = seeded(lambda: Net(nn.ELU(), head=nn.Sequential(nn.Conv2d(32, 32, 1))))
    assert [short(line) for line in error_of(net).lines[1:]] == [
        "body: ELU; supported: ...",
        "Net: the output is no vector; a network returns its logits (B, n)",
    ]


def test_weights_that_are_no_numbers_are_a_reason_beside_others() -> None:
    net = seeded(lambda: Net(nn.Sequential(nn.ELU(), nn.BatchNorm2d(32), nn.Softplus())))
    net.body[1].weight.data[3] = float("nan")
    assert [short(line) for line in error_of(net).lines[1:]] == [
        "body.0: ELU; supported: ...",
        "body.1: a holds NaN or infinity; must be finite; retrain",
        "body.2: Softplus; supported: ...",
    ]


class Narrow(nn.Module):
    """An odd number of channels that no lanes divide, and a window beside the image."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 40, 4, 4)
        self.odd = nn.Conv2d(40, 25, 1)
        self.binary = BinaryConv2d(25, 32, 3, 1, 1)
        self.last = nn.Conv2d(32, 32, 1, padding=1)
        self.head = nn.Linear(32, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = self.odd(self.stem(x))
        return self.head(self.last(self.binary(x)).mean((2, 3)))


def test_channels_and_windows_are_told_at_once() -> None:
    assert error_of(seeded(Narrow)).lines == (
        "Narrow: 2 reasons why it cannot be compiled",
        "binary: a binary convolution of 25 channels with zero padding; an odd number of channels "
        "cannot be filled up with signs that cancel; use an even number of channels",
        "last: conv kernel=1 stride=1 padding=1 grid=(8, 8); supported: every result sees the "
        "image",
    )


def test_the_error_survives_a_process_boundary() -> None:
    found = [UnsupportedOpError("a", "one"), HwgenError("b", "two", "rule", "way out")]
    error = pickle.loads(pickle.dumps(joined("Net", found)))
    assert type(error) is UnsupportedNetwork
    assert error.lines == (
        "Net: 2 reasons why it cannot be compiled", "a: one", "b: two; rule; way out",
    )  # fmt: skip
    assert str(error) == "\n".join(error.lines)


def called(network: nn.Module, image: tuple[int, int, int]) -> dict[type, list[str]]:
    """Class of a module -> paths of those that the output depends on, in their order."""
    height, width, channels = image
    with lent(network):
        recorded = record(network, torch.randn(BATCH, channels, height, width))
        recognise(recorded.graph)
        importer = Importer(network, on_grid(height, width, channels), HANDLERS)
        importer.run(recorded)
    found: dict[type, list[str]] = {}
    for node in importer.views:
        if node.op == "call_module" and type(node.meta["module"]) in MODULES:
            paths = found.setdefault(type(node.meta["module"]), [])
            if str(node.target) not in paths:
                paths.append(str(node.target))
    return found


@pytest.mark.parametrize("name", ["bhvit_micro", "binaryvit_micro", "reactnet_micro"])
def test_every_layer_that_is_not_known_and_nothing_else(name: str, monkeypatch) -> None:
    """Whole networks, of whose layers two kinds at a time are taken from what hwgen knows."""
    network = seeded(lambda: zoo.create(name))
    image = (network.config.image_size, network.config.image_size, network.config.in_channels)
    found = called(network, image)
    kinds = [k for k in found if k is not TokenBuilder]  # makes windows, whose layout is its own
    for pair in zip(kinds, [*kinds[1:], kinds[0]], strict=True):
        known = {m: handler for m, handler in MODULES.items() if m not in pair}
        monkeypatch.setattr(trace_module, "HANDLERS", replace(HANDLERS, modules=known))
        with pytest.raises(UnsupportedNetwork) as caught:
            trace_module.trace(network, image, refusals)
        want = {f"{_span(found[kind])}: {kind.__name__}; supported: ..." for kind in pair}
        assert {short(line) for line in caught.value.reasons} == want
        assert len(caught.value.reasons) == 2
