"""Table and plot of the representational capability: what the networks give, and legible."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree

import pytest

from hwgen.paths import CHECKOUT
from hwgen.report.schema import CapabilityTable
from hwgen.report.text import capability_lines
from hwgen.results import capability, capability_svg
from hwgen.results.capability_svg import Point, draw, place_labels
from hwgen.results.markers import fill


@pytest.mark.parametrize(
    "names",
    [
        ("deit_small_binary_gap", "reactnet18"),
        pytest.param(tuple(capability.NETWORKS), marks=pytest.mark.full),
    ],
)
def test_committed_table_and_plot_are_what_the_networks_give(names: tuple[str, ...]) -> None:
    way_out = "run `.venv/bin/python -m hwgen.results.capability`"
    folder, page = CHECKOUT / "reports", (CHECKOUT / "docs" / "capability.md").read_text()
    table = CapabilityTable.model_validate_json((folder / "capability.json").read_text())
    assert list(table.networks) == list(capability.NETWORKS)
    for name, row in capability.measure(names).networks.items():
        assert row == table.networks[name], f"{name}: {way_out}"
    assert (folder / "capability.svg").read_text() == capability.plot(table), way_out
    block = capability.markdown(table)
    assert fill(page, block, "page", capability.BEGIN, capability.END) == page, way_out
    deit, resnet = table.networks["deit_small_binary"], table.networks["reactnet34"]
    assert (deit.capability, deit.as_published) == (155_568, 153_216)
    assert (resnet.capability, resnet.as_published) == (83_612_032, 71_193_472)
    for name, label in (("deit_small_binary", "155,568 | 153,216"), ("bhvit_tiny", "13,783,096")):
        assert any(line.startswith(f"| `{name}` |") and label in line for line in block.split("\n"))


def test_labels_are_free_of_markers_and_of_each_other() -> None:
    at = [(300.0 + 9 * k, 200.0 + 4 * (k % 3)) for k in range(6)] + [(930.0, 60.0), (80.0, 440.0)]
    boxes = place_labels(at, [f"network number {k}" for k in range(8)])
    for k, box in enumerate(boxes):
        assert box.x0 >= capability_svg.LEFT
        assert box.x1 <= capability_svg.WIDTH - capability_svg.RIGHT
        assert not any(box.meets(other) for other in boxes[:k])
        for x, y in at:
            assert not (box.x0 < x < box.x1 and box.y0 < y < box.y1)


def test_plot_is_well_formed_and_shares_labels() -> None:
    points = [
        Point("a & b", "one", 0.5, 1e6),
        Point("c", "two", 1.9, 2e5),
        Point("d", "two", 1.9, 2e5),
    ]
    root = ElementTree.fromstring(draw(points, "x", "y <1>"))
    texts = [t.text for t in root.iter("{http://www.w3.org/2000/svg}text")]
    assert "a & b" in texts
    assert "c, d" in texts
    circles = list(root.iter("{http://www.w3.org/2000/svg}circle"))
    assert len(circles) == 2 + 2  # families, places
    left, right = (float(c.get("cx")) for c in circles[2:])
    assert left < right
    top, bottom = (float(c.get("cy")) for c in circles[2:])
    assert top < bottom


def test_lines_of_the_terminal() -> None:
    from hwgen.analysis.capability import network_capability
    from hwgen.zoo import sketch

    network = sketch("birealnet34")
    lines = capability_lines(network_capability(network), network_capability(network, "published"))
    assert lines[2].split() == ["conv1", "18,742", "3,136", "58,774,912"]
    assert lines[-2].split() == ["all", "83,612,032"]
    assert lines[-1].split()[-1] == "71,193,472"
    assert len(lines) == 2 + 33 + 2
