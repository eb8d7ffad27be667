"""Keeps the report of an output folder in reports/ and refills the README's numbers.

python -m hwgen.results.record out/demo
"""

from __future__ import annotations

import sys
from pathlib import Path

from hwgen.atomic import write_text_atomic
from hwgen.paths import reports_dir
from hwgen.pipeline import timing_dir
from hwgen.report import load_report
from hwgen.results.readme import main as fill_readme
from hwgen.sta.cells import known
from hwgen.targets import kept_target


def record(folder: Path) -> Path:
    """reports/MODEL-TARGET.json, without the wall-clock seconds of the check.

    Its frames/s are for a clock that was checked: what has no estimate yet gets one, where the
    family's delays are known.
    """
    report = load_report(folder)
    if report.timing.fmax_mhz is None and known(kept_target(folder).family):
        timing_dir(folder)
        report = load_report(folder)
    report.check.seconds = None
    path = reports_dir() / f"{report.model.name}-{report.target.name}.json"
    write_text_atomic(path, report.to_json())
    return path


if __name__ == "__main__":
    for name in sys.argv[1:]:
        print(record(Path(name)))
    fill_readme()
