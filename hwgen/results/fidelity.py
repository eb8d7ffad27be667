"""Per-block fidelity of the shipped network and of the paper's with random weights, recorded.

python -m hwgen.results.fidelity

Writes reports/fidelity.json (`hwgen.report.blocks`) and refills the README's numbers.
"""

from __future__ import annotations

from collections.abc import Iterator

from hwgen.atomic import write_text_atomic
from hwgen.passes.lower import Prepared, prepare
from hwgen.paths import models_dir, reports_dir
from hwgen.pipeline import load_prepared
from hwgen.report.blocks import Array, block_table
from hwgen.report.schema import FidelityTable
from hwgen.results.readme import main as fill_readme
from hwgen.zoo.untrained import photographs, untrained

SHIPPED = ("bhvit_micro_digits", "binaryvit_micro_digits")
NETWORKS = ("bhvit_tiny", "bhvit_small", "binaryvit_small")


def prepared_networks() -> Iterator[tuple[str, Prepared, Array]]:
    """Name, prepared network and images; _fp: full-precision downsampling."""
    for name in SHIPPED:
        state = load_prepared(models_dir() / f"{name}.pt")
        yield name, state.prepared, state.images
    pictures = photographs(224)
    for name in NETWORKS:
        for binary, suffix in ((True, ""), (False, "_fp")):
            options = {} if binary else {"binary_downsampling": False}
            network = untrained(name, pictures, **options)
            yield f"{name}{suffix}_untrained", prepare(network, pictures), pictures


if __name__ == "__main__":
    table = FidelityTable(networks={})
    for title, network, calibration in prepared_networks():
        print(title, flush=True)
        table.networks[title] = block_table(network, calibration)
    write_text_atomic(reports_dir() / "fidelity.json", table.to_json())
    fill_readme()
