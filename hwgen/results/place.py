"""The shipped digit classifier on the ECP5: compiled small, simulated, placed and routed, recorded.

python -m hwgen.results.place

About an hour of one core and 2 GB; writes reports/bhvit_micro_digits-ecp5-85k.json and refills the
README's numbers.
"""

from __future__ import annotations

from pathlib import Path

from hwgen.paths import models_dir
from hwgen.pipeline import compile_model, place_dir, simulate_dir, synth_dir
from hwgen.results.readme import main as fill_readme
from hwgen.results.record import record

MODEL, TARGET = "bhvit_micro_digits", "ecp5-85k"
# What leaves room to route: the fewest lanes, the smallest array, no weight store, parameter
# memories of the network.
SIZES = {
    "lanes": 8, "kw": 64, "axi_bits": 64, "act_bits": 12, "pk": 4, "store_words": 0,
    "cm_slots": 32, "om_slots": 32, "qm_slots": 8,
}  # fmt: skip
GOAL_MHZ, SEED = 80, 1


def placed(out: Path) -> Path:
    """Runs everything in the folder `out`; the path of the kept report."""
    model = models_dir() / f"{MODEL}.pt"
    compile_model(model, TARGET, out, force=True, overrides={k: str(v) for k, v in SIZES.items()})
    simulate_dir(out, images=4)
    synth_dir(out)
    place_dir(out, goal_mhz=GOAL_MHZ, seed=SEED)
    return record(out)


if __name__ == "__main__":
    print(placed(Path("out/place")))
    fill_readme()
