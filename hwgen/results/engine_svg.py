"""docs/engine.svg: the modules of the engine and what flows between them.

`python -m hwgen.results.engine_svg` writes it; a test compares it. Where a box stands and what an
arrow carries is written here; which modules there are, what contains what, and what else is inside
a box comes from the instances in the Verilog: a box that is no module, or is not below the one
around it, ends the program, and so does a module that is in no box.
"""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from typing import NamedTuple

from hwgen.atomic import write_text_atomic
from hwgen.emit.rtl import TOP
from hwgen.paths import CHECKOUT, templates_dir
from hwgen.results.modules import below, hierarchy

PAGE = CHECKOUT / "docs" / "engine.svg"
WIDTH, HEIGHT, TOP_MARGIN = 1240, 768, 28
LINE, CHAR = 14, 6.1  # height and width of small text
STYLE = (
    "text{font:12px system-ui,sans-serif;fill:#57606a}.name{font:600 13px system-ui,sans-serif;"
    "fill:#24292f}.small{font-size:11px}.label{font-size:11px;paint-order:stroke;stroke:#fff;"
    "stroke-width:4px}.outer{fill:#fff;stroke:#8c959f}.inner{fill:#f6f8fa;stroke:#8c959f}"
    ".memory{fill:#e5f1ea;stroke:#2f7d4f}.control{fill:#e8eef7;stroke:#1f6f8b}"
    ".compute{fill:#f7ece4;stroke:#b3541e}.outside{fill:#fff;stroke:#8c959f;stroke-dasharray:4 3}"
    "path{fill:none;stroke:#57606a;stroke-width:1.3}.control-line{stroke:#1f6f8b}"
    ".end{fill:#57606a;stroke:none}"
)


class Box(NamedTuple):
    """A module (or what is outside of them all): where it stands, its colour, a line of text."""

    x: int
    y: int
    w: int
    h: int
    kind: str
    about: str = ""
    around: str = ""  # the module whose box it is in


class Arrow(NamedTuple):
    """From a side of a box to another: 'box side share', turning at the given x and y in turn."""

    start: str
    end: str
    turns: tuple[tuple[str, int], ...] = ()
    label: str = ""
    at: tuple[int, int] = (0, 0)  # of the label: left end of its line
    kind: str = ""
    both: bool = False


CONTAINERS = ("outer", "inner")  # kinds of boxes that show all that is in them
CORE, QUEUES, TRANSFER = "hwgen_core", "core_queues", "core_transfer"
UNIT, MAC = "compute_unit", "mac_front"
BOXES = {
    "host": Box(16, 104, 96, 52, "outside", "AXI4-Lite"),
    "DDR": Box(16, 300, 96, 150, "outside", "AXI4"),
    CORE: Box(140, 40, 1084, 744, "outer", f"in {TOP}, hwgen_top", TOP),
    UNIT: Box(660, 76, 548, 692, "inner", "", CORE),
    QUEUES: Box(318, 68, 322, 180, "outer", "", CORE),
    TRANSFER: Box(318, 272, 322, 312, "outer", "", CORE),
    MAC: Box(682, 204, 332, 136, "outer", "", UNIT),
    "axil_regs": Box(160, 104, 130, 52, "control", "registers", CORE),
    "core_state": Box(160, 190, 130, 52, "control", "reset, errors", CORE),
    "axi_read": Box(160, 300, 130, 52, "memory", "bursts", CORE),
    "axi_write": Box(160, 398, 130, 52, "memory", "bursts", CORE),
    "sequencer": Box(330, 96, 140, 68, "control", "fetch, dispatch", QUEUES),
    "fifo_lut cmp": Box(510, 96, 110, 40, "control", "cmp", QUEUES),
    "fifo_lut ldw": Box(510, 146, 110, 40, "control", "ldw", QUEUES),
    "fifo_lut dma": Box(510, 196, 110, 40, "control", "dma", QUEUES),
    "dma": Box(330, 300, 140, 150, "memory", "LOAD, LOADF, STORE", TRANSFER),
    "ldw": Box(504, 300, 116, 52, "memory", "LDW", TRANSFER),
    "weight_buffer": Box(504, 398, 116, 52, "memory", "WB", TRANSFER),
    "weight_store": Box(330, 512, 112, 52, "memory", "records on chip", TRANSFER),
    "compute_decode": Box(692, 110, 140, 66, "control", "fields, waits", UNIT),
    "compute_issue": Box(864, 110, 140, 66, "control", "start, retire", UNIT),
    "compute_set": Box(1036, 110, 140, 66, "control", "SET", UNIT),
    "mac_nest": Box(692, 238, 140, 88, "compute", "levels 0 to 3", MAC),
    "mac_source": Box(864, 238, 140, 88, "compute", "words, elements", MAC),
    "result_stage": Box(1036, 238, 140, 88, "compute", "what results need", UNIT),
    "feature_ports": Box(692, 366, 312, 58, "memory", "FM and TM, ports", UNIT),
    "xnor_front": Box(692, 486, 140, 200, "compute", "XLIN, XCONV; BM", UNIT),
    "attention": Box(864, 486, 140, 200, "compute", "ATT", UNIT),
    "norm_unit": Box(1052, 486, 140, 200, "compute", "LayerNorm table", UNIT),
    "lanes": Box(692, 700, 500, 56, "compute", "post chain; CM, OM, QM", UNIT),
}
ARROWS = (
    Arrow("host r .5", "axil_regs l .5", kind="control-line", both=True),
    Arrow("DDR r .1733", "axi_read l .5"),
    Arrow("axi_write l .5", "DDR r .8267"),
    Arrow("axil_regs r .5", "sequencer l .5", kind="control-line"),
    Arrow("axi_read t .5", "sequencer b .3", (("y", 264),), "program", (232, 260)),
    Arrow("axi_read r .5", "dma l .1733"),
    Arrow("dma l .8267", "axi_write r .5"),
    Arrow("sequencer r .29", "fifo_lut cmp l .5", kind="control-line"),
    Arrow("sequencer r .5", "fifo_lut ldw l .5", (("x", 492),), kind="control-line"),
    Arrow("sequencer r .8", "fifo_lut dma l .5", (("x", 482),), kind="control-line"),
    Arrow("fifo_lut cmp r .5", "compute_decode l .5", (("x", 648),), kind="control-line"),
    Arrow("fifo_lut ldw r .5", "ldw r .3", (("x", 634),), kind="control-line"),
    Arrow("fifo_lut dma b .3", "dma t .92", (("y", 260),), kind="control-line"),
    Arrow("dma r .8267", "weight_buffer l .5"),
    Arrow("dma b .3", "weight_store t .375", (), "keep", (380, 486), both=True),
    Arrow("weight_buffer t .5", "ldw b .5"),
    Arrow("ldw r .7", "xnor_front l .3", (("x", 636),), "weights", (588, 530)),
    Arrow("weight_buffer b .7", "lanes l .3", (), "weights of MACS", (484, 711)),
    Arrow("dma b .92", "lanes l .8", (), "CM, OM, QM", (484, 739)),
    Arrow("dma r .5", "feature_ports l .5", (("x", 648),), "LOADF, STORE", (476, 371), both=True),
    Arrow("compute_decode r .5", "compute_issue l .5", kind="control-line"),
    Arrow("compute_issue r .5", "compute_set l .5", kind="control-line"),
    Arrow(
        "compute_issue b .3", "mac_nest t .7", (("y", 191),), "start", (836, 187), "control-line"
    ),
    Arrow("compute_issue b .7", "result_stage t .3", (("y", 191),), kind="control-line"),
    Arrow("mac_nest r .5", "mac_source l .5"),
    Arrow("feature_ports t .775", "mac_source b .5", (), "words", (940, 350)),
    Arrow(
        "compute_issue t .5",
        "xnor_front l .1",
        (("y", 100), ("x", 668)),
        kind="control-line",
    ),
    Arrow("xnor_front r .6", "attention l .6", (), "BM", (836, 582)),
    Arrow("xnor_front b .3", "lanes t .084", (), "popcounts", (740, 684)),
    Arrow("lanes t .244", "xnor_front b .87", (), "bits", (818, 684)),
    Arrow("lanes t .312", "feature_ports b .5", (), "results", (852, 468)),
    Arrow("attention b .6", "lanes t .512", (), "contexts", (890, 684)),
    Arrow("mac_source r .5", "lanes t .648", (("x", 1016),)),
    Arrow("result_stage b .2", "lanes t .684", (("y", 456), ("x", 1034))),
    Arrow("norm_unit b .3", "lanes t .804", (), "gains", (1100, 684)),
    Arrow("lanes t .92", "norm_unit b .714", (), "sums", (1158, 684)),
)


def check() -> None:
    """Raises AssertionError when the boxes are not those of the Verilog."""
    modules = hierarchy()
    drawn = {name.split()[0]: box for name, box in BOXES.items() if box.kind != "outside"}
    for name, box in drawn.items():
        assert name in modules, f"{name} is no module"
        assert name in below(box.around), f"{name} is not in {box.around}"
    full = [name for name, box in drawn.items() if box.kind not in CONTAINERS]
    seen = {TOP, *drawn} | set().union(*(inside(name) for name in full))
    seen |= {"hwgen_top"} | {m for m in modules if _small(m)}
    assert seen == set(modules), f"in no box: {sorted(set(modules) - seen)}"


def _small(module: str) -> bool:
    """Parts that many modules have: the library, the decoders."""
    library = {p.stem for p in (templates_dir() / "rtl" / "lib").iterdir()}
    return module in library or module.startswith("decode_")


def inside(module: str) -> list[str]:
    """What a box contains and the drawing does not show, library and decoders left out."""
    drawn = {name.split()[0] for name in BOXES}
    found: list[str] = []
    todo = [module]
    while todo:
        for child in hierarchy()[todo.pop(0)]:
            if child not in drawn and child not in found and not _small(child):
                found.append(child)
                todo.append(child)
    return found


def draw() -> str:
    """The drawing as SVG text."""
    check()
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 {TOP_MARGIN} {WIDTH} {HEIGHT}" '
        f'width="{WIDTH}" height="{HEIGHT}" role="img" aria-label="Modules of the engine">',
        f"<style>{STYLE}</style>",
        '<defs><marker id="end" markerWidth="8" markerHeight="8" refX="7" refY="3.5" '
        'orient="auto-start-reverse"><path d="M0,0 L7,3.5 L0,7 z" class="end"/></marker></defs>',
        f'<rect y="{TOP_MARGIN}" width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>',
    ]
    for name, box in BOXES.items():
        parts += _box(name, box)
    parts += [_line(arrow) for arrow in ARROWS]
    parts += [_text(*a.at, a.label, "label") for a in ARROWS if a.label]
    return "\n".join([*parts, "</svg>"]) + "\n"


def _text(x: float, y: float, text: str, kind: str = "small") -> str:
    return f'<text x="{x:g}" y="{y:g}" class="{kind}">{escape(text)}</text>'


def _box(name: str, box: Box) -> Iterator[str]:
    size = f'x="{box.x}" y="{box.y}" width="{box.w}" height="{box.h}"'
    yield f'<rect {size} rx="5" class="{box.kind}"/>'
    yield _text(box.x + 10, box.y + 19, name.split()[0], "name")
    if box.kind in CONTAINERS:
        yield _text(box.x + 20 + 8 * len(name), box.y + 19, box.about)
        return
    y = box.y + 19 + LINE
    yield _text(box.x + 10, y, box.about)
    for row in _rows(inside(name) if box.kind != "outside" and " " not in name else [], box.w - 16):
        y += LINE
        yield _text(box.x + 10, y, row)


def _rows(names: list[str], width: float) -> Iterator[str]:
    """Names between commas, broken where a line is full."""
    row = ""
    for name in names:
        more = f"{row}, {name}" if row else name
        if row and len(more) * CHAR > width:
            yield f"{row},"
            more = name
        row = more
    if row:
        yield row


def _end(spec: str) -> tuple[float, float]:
    name, side, share = spec.rsplit(" ", 2)
    box, part = BOXES[name], float(share)
    x = {"l": box.x, "r": box.x + box.w}.get(side, box.x + part * box.w)
    y = {"t": box.y, "b": box.y + box.h}.get(side, box.y + part * box.h)
    return x, y


def _line(arrow: Arrow) -> str:
    (x, y), (x1, y1) = _end(arrow.start), _end(arrow.end)
    points = [(x, y)]
    for axis, value in arrow.turns:
        x, y = (value, y) if axis == "x" else (x, value)
        points.append((x, y))
    level = arrow.end.split()[-2] in "lr"  # how the line arrives
    points.append((x, y1) if level else (x1, y))
    points.append((x1, y1))
    path = " L".join(f"{a:g},{b:g}" for a, b in points)
    start = ' marker-start="url(#end)"' if arrow.both else ""
    return f'<path d="M{path}" class="{arrow.kind}"{start} marker-end="url(#end)"/>'


def main() -> None:
    write_text_atomic(PAGE, draw())


if __name__ == "__main__":
    main()
