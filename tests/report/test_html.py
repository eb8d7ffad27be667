"""report.html: self-contained, complete, honest about its sources, and bounded in size."""

import re
from html.parser import HTMLParser

import pytest

from hwgen.engine.isa import OPCODES
from hwgen.report import bounds_svg, render_report
from hwgen.report.cycles import block_labels, by_layer, by_unit
from hwgen.report.graph_svg import CLASSES, draw_blocks, unit_class
from hwgen.report.graph_svg import block_labels as graph_labels
from tests.report import sample

VOID = {"meta", "br"}


class Balanced(HTMLParser):
    """Fails on a tag that is not closed in order; collects text and links."""

    def __init__(self):
        super().__init__()
        self.open = []
        self.text = []
        self.links = []

    def handle_starttag(self, tag, attrs):
        self.links += [v for k, v in attrs if k in ("href", "src", "xlink:href")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        pass

    def handle_endtag(self, tag):
        assert self.open.pop() == tag, (tag, self.getpos())

    def handle_data(self, data):
        self.text.append(data)


def parse(page):
    parser = Balanced()
    parser.feed(page)
    assert parser.open == []
    return parser


@pytest.fixture(scope="module")
def page():
    return render_report(sample.report(), sample.graph(), sample.MEMORY_MAP)


def test_it_is_one_well_formed_page_without_network(page):
    parser = parse(page)
    assert parser.links == []
    assert not re.search(r"https?://|@import|url\(|<script", page)


def test_it_shows_every_section(page):
    text = " ".join(" ".join(parse(page).text).split())
    for words in (
        "bhvit_sample on zynq",
        "Nothing was run in vendor tools or on a board",
        "2,652",
        "75,411",
        "20,930 of 53,200",
        "vit.layerA.0.attn",
        "xnor_front",
        "0x00010000",
        "QDAttention",
        "99.72 %",
        "Yosys 0.70 synth_xilinx, unit by unit",
    ):
        assert words in text, words


def test_it_is_the_same_twice(page):
    assert page == render_report(sample.report(), sample.graph(), sample.MEMORY_MAP)


def test_unknown_values_are_not_zeros():
    page = render_report(sample.report(simulated=False))
    text = " ".join(" ".join(parse(page).text).split())
    assert "not synthesised yet" in text
    assert "not simulated yet" in text
    assert "Does not fit" not in text
    assert "Dataflow graph" not in text


def test_a_mismatch_and_an_overrun_are_seen():
    report = sample.report()
    report.check.mismatches = 1
    report.check.first_mismatch = {"step": "q", "index": "[0, 3]", "got": 4, "expected": 5}
    report.resources.fits = False
    text = " ".join(" ".join(parse(render_report(report)).text).split())
    assert "step q, index [0, 3], got 4, expected 5" in text
    assert "Does not fit the budget of xc7z020clg400-1" in text


def test_names_are_escaped():
    report = sample.report()
    report.model.name = "<script>x</script>"
    nodes = [sample.node("<b>", "<i>", "a&b", (1,), ["<u>"])]
    assert "<script" not in render_report(report, nodes)
    parse(render_report(report, nodes))


def test_a_program_of_thousands_of_steps_stays_readable():
    report = sample.report(blocks=24, per_block=40)
    assert len(report.cycles.steps) > 10_000
    assert len(by_layer(report.cycles.steps)) <= 40
    page = render_report(report, sample.graph(24))
    parse(page)
    assert len(page) < 4_000_000
    assert "more steps are in report.json" in page


def test_groups_add_up():
    steps = sample.report().cycles.steps
    for groups in (by_layer(steps), by_unit(steps)):
        assert sum(g.predicted for g in groups) == sum(s.predicted for s in steps)
        assert sum(len(g.steps) for g in groups) == len(steps)
    steps[0].simulated = None
    assert by_layer(steps)[0].simulated is None


def test_bars_of_the_bounds_chart_are_the_causes(page):
    steps = sample.report().cycles.steps
    groups = by_layer(steps)
    svg = bounds_svg.draw(groups)
    assert svg in page
    found = re.findall(r'<rect class="u-(\w+)" x="([\d.]+)" y="([\d.]+)" width="([\d.]+)" h', svg)
    bars = [b for b in found if float(b[3]) != 9]
    scale = bounds_svg.BAR_W / max(g.predicted for g in groups)
    rows = {}
    for cause, x, y, width in bars:
        end = rows.setdefault(y, bounds_svg.LABEL_W)
        assert float(x) == pytest.approx(end, abs=0.1), "bars of a row touch"
        rows[y] = float(x) + float(width)
        assert cause in bounds_svg.CAUSES
    ends = [(end - bounds_svg.LABEL_W) / scale for end in rows.values()]
    assert ends == pytest.approx([g.predicted for g in groups], rel=0.01)
    text = " ".join(" ".join(parse(page).text).split())
    whole = bounds_svg.total(steps)
    for part in bounds_svg.shares(whole):
        assert f"{part['label']} {part['percent']}" in text


def test_no_bounds_chart_without_causes():
    report = sample.report()
    report.cycles.steps[3].spent = None
    assert bounds_svg.draw(by_layer(report.cycles.steps)) == ""
    assert "What bounds each layer" not in render_report(report)


def test_step_labels_cut_at_one_depth():
    names = ["a.0.x/load", "a.0.y[3]", "a.1.x", "head"]
    assert block_labels(names, limit=3) == ["a.0", "a.0", "a.1", "head"]
    assert block_labels(names, limit=2) == ["a", "a", "a", "head"]
    assert block_labels([], limit=2) == []


def test_graph_blocks_end_at_a_number():
    names = ["image", "v.stem.conv", "v.stem.act", "v.a.0.q.w", "v.a.0.k", "v.a.1.q", "norm"]
    assert graph_labels(names) == [
        "image", "v.stem", "v.stem", "v.a.0", "v.a.0", "v.a.1", "norm",
    ]  # fmt: skip
    deep = [f"s.0.b.{k}.{n}" for k in range(2) for n in range(40)]
    assert set(graph_labels(deep)) == {"s.0.b.0", "s.0.b.1"}


def test_equal_blocks_are_drawn_once():
    blocks = {block.name: block for block in draw_blocks(sample.graph(24))}
    assert blocks["vit.layerA.0"].same == ("vit.layerB.0",)
    drawn = sum(1 + len(block.same) for block in blocks.values())
    assert drawn == 24 + 5
    assert len(blocks) < drawn


def boxes(svg):
    found = re.findall(r'class="box" x="([\d.-]+)" y="([\d.-]+)" width="(\d+)" height="(\d+)"', svg)
    return [tuple(map(float, box)) for box in found]


def test_no_two_boxes_overlap():
    for block in draw_blocks(sample.graph()):
        placed = boxes(block.svg)
        assert len(placed) == block.nodes
        for k, (x, y, w, h) in enumerate(placed):
            assert x >= 0
            for x2, y2, _, _ in placed[:k]:
                assert abs(x - x2) >= w or abs(y - y2) >= h


def test_blocks_have_a_table_for_float_signs_and_one_for_their_own(page):
    text = " ".join(" ".join(parse(page).text).split())
    section = text[text.index("Blocks against the float network") :]
    assert "vit.layerA.0 0.21 % 99.91 % – 1.83 % 99.91 % –" in section
    assert "vit.layerB.0 0.84 % 99.62 % 99.83 % 7.31 % 99.62 % 99.83 %" in section
    without = render_report(sample.report(simulated=False), sample.graph(), sample.MEMORY_MAP)
    assert "Blocks against" not in without


def hls_text(fmax_mhz=None, **options):
    report = sample.report(hls=True, **options)
    report = sample.timed(fmax_mhz, report) if fmax_mhz else report
    page = render_report(report, sample.graph(), sample.MEMORY_MAP)
    text = " ".join(" ".join(parse(page).text).split())
    return text[text.index("RTL and HLS side by side") : text.index("Checks")]


@pytest.mark.parametrize(
    ("fmax_mhz", "rtl", "hls"),
    [
        (190, "2,520 (190 MHz estimated)", "631 (190 MHz estimated for the RTL)"),
        (212, "2,652 (200 MHz planned; 212 MHz estimated)", "664 (200 MHz planned, not checked)"),
    ],
)
def test_rtl_and_hls_run_at_one_clock(fmax_mhz, rtl, hls):
    assert f"frames/s (clock) {rtl} simulated {hls} estimated" in hls_text(fmax_mhz)


def test_rtl_and_hls_stand_side_by_side_with_their_sources():
    text = hls_text()
    for words in (
        "cycles per frame 75,411 simulated 301,200 estimated",
        "frames/s (clock) 2,652 (200 MHz planned, not checked) simulated "
        "664 (200 MHz planned, not checked) estimated",
        "LUT 20,930 Yosys 61,050 estimated 53,200",
        "BRAM36 61.5 Yosys 84.5 estimated 140",
        "does not fit xc7z020clg400-1",
        "never synthesised",
        "fetch 900 41,200 50 1,000 0 0 sequencer – – – –",
        "compute, MAC 170 260,000 61,000 41,000 4 96 lanes, compute_unit 7,080 6,430 41.5 48",
        "RTL only – – – – – – xnor_front, attention, norm_unit, dma 13,850 10,930 20 0",
        "all – 301,200 61,050 42,000 84.5 96 20,930 17,360 61.5 48",
    ):
        assert words in text, words
    assert "synthesised by" not in text


def test_hls_before_simulation_and_synthesis_of_the_rtl():
    text = hls_text(simulated=False)
    assert "cycles per frame 75,354 predicted 301,200 estimated" in text
    assert "LUT – 61,050 estimated 53,200" in text
    assert "fetch 900 41,200 50 1,000 0 0 sequencer – – – –" in text


def test_no_comparison_without_the_hls_back_end(page):
    assert "side by side" not in page
    assert "HLS" not in page


def test_every_instruction_and_every_unit_has_a_colour() -> None:
    """A new instruction or unit needs a class of its own only where its name tells nothing."""
    kinds = {name: unit_class(name) for name in OPCODES if name not in ("END", "SET")}
    assert "other" not in kinds.values()
    assert kinds["LNAPPLY"] == kinds["LNSTAT"] == "norm"
    assert (kinds["XLIN"], kinds["ATT"], kinds["MACV"]) == ("xnor", "attention", "lanes")
    assert set(kinds.values()) <= set(CLASSES)
