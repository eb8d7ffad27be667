"""Binary networks beside each other: published accuracy, operations, size, and what hwgen makes.

Accuracies are published by others (ImageNet-1K, top-1), not measured here. OPs = binary MACs / 64 +
float MACs; size: 1 bit per binary weight, 32 bits per other parameter (hwgen.analysis.operations).
"""

from __future__ import annotations

from collections.abc import Iterable

from hwgen.report import values
from hwgen.report.schema import Report
from hwgen.report.values import table_row
from hwgen.results import claims

SUFFIX = "_untrained"
BHVIT = "[BHViT, Table 2](https://arxiv.org/abs/2503.02394)"
# network -> (label, top-1 in percent)
PUBLISHED = {
    "bhvit_tiny": ("BHViT-Tiny", 64.0),
    "bhvit_tiny_fp": ("BHViT-Tiny†", 66.0),
    "bhvit_small": ("BHViT-Small", 68.4),
    "bhvit_small_fp": ("BHViT-Small†", 70.1),
    "binaryvit_small": ("BinaryViT", 67.7),
    "birealnet18": ("Bi-Real Net 18†", 56.4),
    "reactnet18": ("ReActNet-18†", 65.5),
}
COLUMNS = (
    "network", "top-1, published", "OPs, 10⁸", "size, MB", "target", "cycles, simulated",
    claims.RATE, claims.MEMORY, "LUT, Yosys",
)  # fmt: skip


def lines(reports: Iterable[Report]) -> list[str]:
    """Markdown of the networks that have a published accuracy; [] without any."""
    rows = []
    for report in reports:
        name = report.model.name.removesuffix(SUFFIX)
        if name in PUBLISHED and report.cycles.simulated:
            rows.append((PUBLISHED[name], report))
    if not rows:
        return []
    rows.sort(key=lambda row: (row[1].target.name, row[0][1]))
    out = [
        "",
        "Binary networks beside each other, one engine per target. Accuracies are published by "
        f"others ({BHVIT}), not measured here; † has full-precision convolutions in the "
        "downsampling. OPs are binary MACs / 64 + float MACs, sizes count 1 bit per binary weight "
        "and 32 per other parameter:",
        "",
        table_row(COLUMNS),
        table_row(["---"] + ["---:"] * 3 + ["---"] + ["---:"] * 4),
    ]
    for (label, accuracy), report in rows:
        model = report.model
        ops = model.binary_macs / 64 + model.float_macs
        size = model.binary_weights / 8 + 4 * (model.params - model.binary_weights)
        cells = (
            label, f"{accuracy} %", f"{ops / 1e8:.2f}", f"{size / 1e6:.2f}", report.target.name,
            values.count(report.cycles.simulated), claims.rate(report), claims.memory(report),
            claims.share(report, "lut"),
        )  # fmt: skip
        out.append(table_row(cells))
    return out
