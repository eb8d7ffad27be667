"""The pages that name modules and files: the list, the drawing, the glossary."""

import re
import xml.etree.ElementTree as ElementTree

import pytest

from hwgen.paths import CHECKOUT, templates_dir
from hwgen.results import engine_svg, modules
from hwgen.results.markers import fill
from hwgen.units.decode import decoders


def test_list_of_modules_is_current() -> None:
    text = modules.PAGE.read_text()
    now = fill(text, modules.block(), "docs/architecture.md", modules.BEGIN, modules.END)
    assert now == text, "run `.venv/bin/python -m hwgen.results.modules`"


def test_list_names_every_file_and_says_what_it_does() -> None:
    rows = dict(re.findall(r"^\| `(\S+)` \| (.+) \|$", modules.block(), re.M))
    rtl = templates_dir() / "rtl"
    files = {str(p.relative_to(rtl)) for p in rtl.rglob("*") if p.is_file()}
    assert set(rows) == files
    assert all(len(about) > 8 for about in rows.values())
    assert all(f"`{name}.v`" in rows["decode/instruction_fields.v.j2"] for name in decoders())


def test_hierarchy_is_that_of_the_verilog() -> None:
    assert modules.below("hwgen_engine") == set(modules.hierarchy()) - {"hwgen_engine"}
    assert modules.hierarchy()["hwgen_top"] == ("hwgen_core",)
    assert "popcount_pairs" in modules.below("xnor_front")
    assert "dma" not in modules.below("compute_unit")


def test_drawing_is_current() -> None:
    assert engine_svg.draw() == engine_svg.PAGE.read_text(), (
        "run `.venv/bin/python -m hwgen.results.engine_svg`"
    )


def test_drawing_has_its_texts_in_their_boxes() -> None:
    """Every box of a module holds its lines; boxes of one container do not overlap."""
    ElementTree.fromstring(engine_svg.draw())
    boxes = {n: b for n, b in engine_svg.BOXES.items() if b.kind not in engine_svg.CONTAINERS}
    for name, box in boxes.items():
        names = [] if box.kind == "outside" or " " in name else engine_svg.inside(name)
        lines = 2 + len([*engine_svg._rows(names, box.w - 16)])
        assert box.h >= 12 + engine_svg.LINE * lines - 8, name
        assert 10 + 8.2 * len(name.split()[0]) <= box.w + 4, name
        for other, b in boxes.items():
            apart = (
                other == name or box.x + box.w <= b.x or b.x + b.w <= box.x
                or box.y + box.h <= b.y or b.y + b.h <= box.y
            )  # fmt: skip
            assert apart, (name, other)


@pytest.mark.parametrize(
    ("name", "change", "says"),
    [
        ("dmx", {}, "dmx is no module"),
        ("lane", {"around": "xnor_front"}, "lane is not in xnor_front"),
    ],
)
def test_a_box_that_is_not_in_the_verilog_is_found(monkeypatch, name, change, says) -> None:
    box = engine_svg.BOXES["dma"]._replace(**change)
    monkeypatch.setitem(engine_svg.BOXES, name, box)
    with pytest.raises(AssertionError, match=says):
        engine_svg.draw()


def test_a_module_in_no_box_is_found(monkeypatch) -> None:
    monkeypatch.delitem(engine_svg.BOXES, "xnor_front")
    with pytest.raises(AssertionError, match=r"in no box: .*'xnor_front'"):
        engine_svg.check()


def test_glossary_names_files_and_classes_that_are_there() -> None:
    text = (CHECKOUT / "docs" / "glossary.md").read_text()
    rows = re.findall(r"^\| ([^|]+) \| [^|]+ \| `(\S+)` \|$", text, re.M)
    assert len(rows) > 40
    for word, path in rows:
        source = (CHECKOUT / path).read_text()
        for name in re.findall(r"\(`(\w+)`\)", word):
            assert re.search(rf"^class {name}\b", source, re.M), (word, path)
