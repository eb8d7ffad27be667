"""The search for sizes: what fits, what was given up, what the user fixes."""

from __future__ import annotations

import pytest

from hwgen.errors import FitError
from hwgen.ir.graph import Graph
from hwgen.paths import models_dir
from hwgen.pipeline import load_prepared
from hwgen.schedule import choose
from hwgen.schedule.choose import search
from hwgen.schedule.predict import predict
from hwgen.schedule.program import schedule
from hwgen.schedule.sizing import Sizing
from hwgen.schedule.work import cycles
from hwgen.synth.model import Excess, check_fit, estimate, excess
from hwgen.targets import Target, get_target


@pytest.fixture(scope="module")
def micro() -> Graph:
    return load_prepared(models_dir() / "bhvit_micro_digits.pt", None)[2].quantize().graph


def target(**budget: int) -> Target:
    return get_target("zynq").model_copy(update=budget)


def test_the_choice_fits_and_schedules(micro) -> None:
    choice = search(micro, target())
    assert excess(choice.sizing, target()) is None
    assert choice.sizing.act_bits == 16
    assert schedule(micro, choice.sizing).instructions
    s = choice.sizing
    assert choice.reasons[0].startswith(f"{s.lanes} lanes x {s.kw} bits, 16-bit features: about ")


def test_a_smaller_part_gets_strips_before_narrow_features(micro) -> None:
    whole = search(micro, target()).sizing
    room = round(estimate(whole)["bram36"])
    tight = search(micro, target(bram36=room - 4)).sizing
    assert tight.act_bits == 16
    assert tight.strip_tokens > 0
    assert tight.fm_words < whole.fm_words


def test_narrow_features_where_nothing_else_fits(micro, monkeypatch) -> None:
    def short_of_memory(s: Sizing, part: Target) -> Excess | None:
        return Excess("bram36", 160, 140, part.name) if s.act_bits > 12 else excess(s, part)

    monkeypatch.setattr(choose, "excess", short_of_memory)
    choice = search(micro, target())
    assert choice.sizing.act_bits == 12
    for line, bits in zip(choice.reasons[1:], (16, 14), strict=False):
        assert f"{bits}-bit features" in line
        assert line.endswith("needs about 160 BRAM36 of 140")


def test_nothing_fits(micro) -> None:
    small = target(lut=9000)
    with pytest.raises(FitError) as error:
        check_fit(search(micro, small).sizing, small, "micro")
    assert "LUT; zynq has 9,000" in str(error.value)


def test_every_size_can_be_fixed(micro) -> None:
    fixed = {
        "kw": 256, "act_bits": 14, "strip_tokens": 96, "fm_words": 4096, "wb_words": 2048,
        "ps_words": 512, "pk": 4, "axi_bits": 64,
    }  # fmt: skip
    sizing = search(micro, target(), fixed).sizing
    assert {name: getattr(sizing, name) for name in fixed} == fixed


@pytest.mark.parametrize("kw", [64, 128, 256])
def test_the_quick_count_orders_engines_as_the_schedule_does(micro, kw) -> None:
    sizing = search(micro, get_target("zcu102"), {"kw": kw}).sizing
    exact = predict(schedule(micro, sizing)).cycles
    assert 0.75 * exact < cycles(micro, sizing) < 1.05 * exact
