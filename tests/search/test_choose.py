"""The search for sizes: what fits, what was given up, what the user fixes."""

from __future__ import annotations

from dataclasses import asdict
from math import ceil

import pytest
from torch import Tensor, nn

from hwgen.engine.resources import estimate
from hwgen.engine.sizing import Sizing
from hwgen.errors import FitError
from hwgen.ir.graph import Graph
from hwgen.nn import BatchNorm, BinaryLinear
from hwgen.passes.lower import lower_model
from hwgen.paths import models_dir
from hwgen.pipeline import load_prepared
from hwgen.schedule.program import schedule
from hwgen.search import candidates, choose
from hwgen.search.choose import search
from hwgen.search.work import cycles
from hwgen.targets import Dram, Target, get_target
from hwgen.targets.fit import Excess, check_fit, excess, shortages
from hwgen.targets.memory import Rate
from hwgen.timing.predict import predict
from hwgen.units.dma import record_words


@pytest.fixture(scope="module")
def micro() -> Graph:
    return load_prepared(models_dir() / "bhvit_micro_digits.pt").prepared.quantize().graph


def target(**budget: object) -> Target:
    return get_target("zynq").model_copy(update=budget)


def test_the_choice_fits_and_schedules(micro) -> None:
    choice = search(micro, target())
    assert excess(choice.sizing, target()) is None
    assert choice.sizing.act_bits == 16
    assert schedule(micro, choice.sizing).instructions
    s = choice.sizing
    assert choice.reasons[0].startswith(f"{s.lanes} lanes x {s.kw} bits, 16-bit features: about ")


def test_a_smaller_part_gets_strips_before_narrow_features(micro) -> None:
    whole = search(micro, target(), {"store_words": 0}).sizing
    room = round(estimate(whole)["bram36"])
    tight = search(micro, target(bram36=room - 4)).sizing
    assert tight.act_bits == 16
    assert tight.strip_tokens > 0
    assert tight.fm_words + tight.tm_words < whole.fm_words + whole.tm_words


def test_weights_stay_on_chip_where_there_is_room(micro) -> None:
    choice = search(micro, target())
    s, bare = choice.sizing, search(micro, target(), {"store_words": 0}).sizing
    assert bare.replace(store_words=s.store_words) == s
    program = schedule(micro, s)
    loads = [i for i in program.instructions if i.op == "LOAD" and record_words(i.fields)]
    assert len(loads) > 50
    assert all(i.fields["keep"] for i in loads)
    assert choice.reasons[-1] == "weights and parameters on chip: all 1.0 Mbit"
    room = ceil(estimate(bare)["bram36"])
    slow = get_target("pynq-z1").dram  # else it would save too little
    partly = search(micro, target(bram36=room + 28, dram=slow))
    assert 0 < partly.sizing.store_words < s.store_words
    assert partly.reasons[-1].endswith(" of 1.0 Mbit")
    assert "weights" not in " ".join(search(micro, target(bram36=room)).reasons)


def test_ultra_ram_holds_whole_rows_of_the_store(micro) -> None:
    part = target(family="xcup", uram=8, bram36=64)
    s = search(micro, part).sizing
    assert s.ultra == 1
    assert s.store_words >= 4096
    need = estimate(s)
    assert need["uram"] == 4  # 256 bits of 72
    assert need["bram36"] <= 64
    assert estimate(s.replace(ultra=0))["bram36"] > 64


def test_narrow_features_where_nothing_else_fits(micro, monkeypatch) -> None:
    def short_of_memory(s: Sizing, part: Target) -> Excess | None:
        return Excess("bram36", 160, 140, part.name) if s.act_bits > 12 else excess(s, part)

    for module in (choose, candidates):
        monkeypatch.setattr(module, "excess", short_of_memory)
    choice = search(micro, target())
    assert choice.sizing.act_bits == 12
    for line, bits in zip(choice.reasons[1:], (16, 14), strict=False):
        assert f"{bits}-bit features" in line
        assert line.endswith("needs about 160 BRAM36 of 140")


def test_nothing_fits(micro) -> None:
    small = target(lut=9000)
    choice = search(micro, small)
    with pytest.raises(FitError) as error:
        check_fit(choice.sizing, small, "micro", choice.tried)
    assert "LUT with 8 lanes x 64 bits, 10-bit features" in str(error.value)
    assert "; zynq has 9,000, " in str(error.value)
    assert str(error.value).endswith(
        "; tried: 16, 8 lanes x 256, 128, 64 bits, features of 16, 14, 12, 10 bits, strips down to "
        "112 tokens"
    )
    assert search(micro, target()).tried == ""


def test_every_size_can_be_fixed(micro) -> None:
    fixed = {
        "kw": 256, "act_bits": 14, "strip_tokens": 96, "fm_words": 4096, "wb_words": 2048,
        "ps_words": 512, "pk": 4, "axi_bits": 64,
    }  # fmt: skip
    sizing = search(micro, target(), fixed).sizing
    assert {name: getattr(sizing, name) for name in fixed} == fixed


@pytest.mark.parametrize("kw", [64, 128, 256])
@pytest.mark.parametrize("store_words", [0, 2048, 8192])
def test_the_quick_count_orders_engines_as_the_schedule_does(micro, kw, store_words) -> None:
    sizes = {"kw": kw, "store_words": store_words}
    sizing = search(micro, get_target("zcu102"), sizes).sizing
    exact = predict(schedule(micro, sizing)).cycles
    assert 0.75 * exact < cycles(micro, sizing) < 1.05 * exact


@pytest.mark.parametrize("rate", [Rate(4, 5), Rate(2, 5)], ids=str)
def test_the_quick_count_follows_the_memory(micro, rate) -> None:
    sizing = search(micro, get_target("zcu102"), {"kw": 128, "store_words": 0}).sizing
    exact = predict(schedule(micro, sizing), rate=rate).cycles
    assert 0.75 * exact < cycles(micro, sizing, rate) < 1.05 * exact


def test_the_search_counts_with_the_memory_of_the_board(micro) -> None:
    for mega_transfers in (100, 1050):
        dram = Dram(kind="DDR3", bus_bits=16, mega_transfers=mega_transfers)
        board = target(engine={}).model_copy(update={"dram": dram})
        choice = search(micro, board)
        count = cycles(micro, choice.sizing, board.rate(choice.sizing.axi_bits))
        assert count > cycles(micro, choice.sizing)
        assert choice.reasons[0].endswith(f": about {count:,} cycles")


def test_a_target_s_own_engine_is_taken_where_it_holds_the_network_and_is_no_worse(micro) -> None:
    made = search(micro, target(engine={})).sizing

    def with_engine(**changes: int) -> Sizing:
        return search(micro, target(engine=asdict(made.replace(**changes)))).sizing

    roomy = with_engine(fm_words=made.fm_words + 512)
    assert roomy == made.replace(fm_words=made.fm_words + 512)
    assert with_engine(fm_words=64) == made  # does not hold it
    assert with_engine(act_bits=12) == made  # narrower features, and no faster
    overridden = search(micro, target(engine=asdict(roomy)), {"store_words": 0}).sizing
    assert overridden.fm_words == made.fm_words  # the user's word goes first


class Wide(nn.Module):
    """64 channels, which 64 lanes could hold, on a grid that needs much memory."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.head = nn.Conv2d(3, 64, 4, 4), nn.Linear(64, 4)
        self.line, self.norm = BinaryLinear(64, 64), BatchNorm(64)

    def forward(self, image: Tensor) -> Tensor:
        x = self.stem(image).flatten(2).transpose(1, 2)
        return self.head((self.norm(self.line(x)) + x).mean(1))


def test_where_nothing_fits_the_nearest_engine_is_shown_with_all_that_it_lacks() -> None:
    """Its memories counted: an engine of 64 lanes, whose logic alone does not fit, is no nearer."""
    graph = lower_model(Wide().eval(), meta={"image": (224, 224, 3)})
    for bram36, missing in ((20, 2), (10, 12)):
        small = target(bram36=bram36, engine={})
        with pytest.raises(FitError) as error:
            check_fit(search(graph, small).sizing, small, "wide")
        assert str(error.value) == (
            "wide: needs about 22 BRAM36 with 8 lanes x 64 bits, 12-bit features, those of 392 "
            f"words or more in DDR, strips of 112 tokens; zynq has {bram36}, {missing} too few; "
            "use smaller images or fewer channels, or take a larger target"
        )
    enough = target(bram36=83, engine={})
    fitting = search(graph, enough).sizing
    assert excess(fitting, enough) is None
    assert fitting.spill_words == 0  # features go to DDR only where nothing fits without
    less = target(bram36=82, engine={})
    assert search(graph, less).sizing.spill_words == 6272
    small = target(bram36=10, lut=9000, dsp=30, engine={})
    short = shortages(search(graph, small).sizing, small)
    assert {e.resource for e in short} == {"lut", "bram36", "dsp"}


def test_a_target_s_own_engine_that_does_not_fit_is_not_taken() -> None:
    graph = lower_model(Wide().eval(), meta={"image": (224, 224, 3)})
    small = target(bram36=10)  # its engine has more
    assert search(graph, small).sizing == search(graph, target(bram36=10, engine={})).sizing
