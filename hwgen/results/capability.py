"""Representational capability beside operations, parameters and size: table and plot.

python -m hwgen.results.capability

Writes reports/capability.json and reports/capability.svg, and the table in docs/capability.md.
Nothing is random: only shapes count.
"""

from __future__ import annotations

from collections.abc import Iterable

from hwgen.analysis.capability import network_capability
from hwgen.analysis.operations import analyze
from hwgen.atomic import write_text_atomic
from hwgen.paths import CHECKOUT, reports_dir
from hwgen.report import values
from hwgen.report.schema import CapabilityRow, CapabilityTable
from hwgen.report.values import table_row
from hwgen.results.capability_svg import Point, draw
from hwgen.results.markers import fill
from hwgen.zoo import sketch

NETWORKS = {  # zoo name -> (label, family)
    "deit_small_binary": ("DeiT-S", "DeiT-S, all binary"),
    "deit_small_binary_gap": ("DeiT-S, mean", "DeiT-S, all binary"),
    "deit_small_binary_pool": ("+ pooling", "DeiT-S, all binary"),
    "deit_small_binary_affine": ("+ affine", "DeiT-S, all binary"),
    "binaryvit_small": ("BinaryViT-small", "BinaryViT"),
    "bhvit_tiny": ("BHViT-Tiny", "BHViT"),
    "bhvit_small": ("BHViT-Small", "BHViT"),
    "birealnet18": ("Bi-Real Net 18", "binary ResNet"),
    "reactnet18": ("ReActNet-18", "binary ResNet"),
    "birealnet34": ("Bi-Real Net 34", "binary ResNet"),
    "reactnet34": ("ReActNet-34", "binary ResNet"),
}
BEGIN, END = "<!-- capability:begin -->", "<!-- capability:end -->"
COLUMNS = (
    "network", "parameters", "MB", "OPs", "binary MACs", "float MACs", "capability",
    "as published", "own inputs",
)  # fmt: skip


def measure(names: Iterable[str] = NETWORKS) -> CapabilityTable:
    """Costs and capability of networks of the zoo."""
    rows = {}
    for name in names:
        network = sketch(name)
        total = analyze(network).total
        stated, published, fan_in = (
            network_capability(network, counting).total
            for counting in ("stated", "published", "fan_in")
        )
        rows[name] = CapabilityRow(
            parameters=total.parameters, size_bytes=total.size_bytes, ops=total.ops,
            binary_macs=total.binary_macs, float_macs=total.float_macs, capability=stated,
            as_published=published, own_inputs=fan_in,
        )  # fmt: skip
    return CapabilityTable(networks=rows)


def markdown(table: CapabilityTable) -> str:
    """The table of docs/capability.md."""
    lines = [table_row(COLUMNS), table_row(["---"] + ["---:"] * (len(COLUMNS) - 1))]
    for name, row in table.networks.items():
        counts = (row.ops, row.binary_macs, row.float_macs)
        capability = (row.capability, row.as_published, row.own_inputs)
        lines.append(
            table_row((f"`{name}`", values.count(row.parameters), f"{row.size_bytes / 1e6:.2f}",
                  *(values.short(n) for n in counts), *map(values.count, capability)))
        )  # fmt: skip
    return "\n".join(lines) + "\n"


def plot(table: CapabilityTable) -> str:
    """Capability (logarithmic) against OPs, as SVG."""
    points = [
        Point(*NETWORKS[name], row.ops / 1e8, row.capability)
        for name, row in table.networks.items()
    ]
    return draw(
        points,
        "operations per frame, 10⁸ (binary MACs / 64 + float MACs)",
        "element-wise representational capability",
    )


def main() -> None:
    table = measure()
    write_text_atomic(reports_dir() / "capability.json", table.to_json())
    write_text_atomic(reports_dir() / "capability.svg", plot(table))
    page = CHECKOUT / "docs" / "capability.md"
    text = fill(page.read_text(), markdown(table), "docs/capability.md", BEGIN, END)
    write_text_atomic(page, text)


if __name__ == "__main__":
    main()
