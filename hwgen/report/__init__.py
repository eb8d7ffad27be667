"""report.json and report.html of an output folder.

`save_report` writes both when a network is compiled; `update_report` fills sections in later
(simulation, synthesis) and draws the page again.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from hwgen.atomic import write_text_atomic
from hwgen.errors import HwgenError
from hwgen.report.html import render_report
from hwgen.report.schema import Report
from hwgen.report.text import summary

__all__ = ["Report", "load_report", "render_report", "save_report", "summary", "update_report"]

VIEW = "report.view.json"  # what the page shows beside report.json: graph and memory map


def save_report(
    folder: Path | str,
    report: Report | Mapping[str, Any],
    graph_nodes: Sequence[Mapping[str, Any]] = (),
    memory_map: Sequence[Mapping[str, Any]] = (),
) -> Report:
    """Writes report.json, report.html and what it takes to draw the page again."""
    folder = Path(folder)
    if not isinstance(report, Report):
        report = Report.model_validate(report)
    view = {"graph_nodes": [dict(n) for n in graph_nodes], "memory_map": [*map(dict, memory_map)]}
    page = render_report(report, graph_nodes, memory_map)
    write_text_atomic(folder / VIEW, json.dumps(view) + "\n")
    write_text_atomic(folder / "report.json", report.to_json())
    write_text_atomic(folder / "report.html", page)
    return report


def load_report(folder: Path | str) -> Report:
    """The report of an output folder, or of one report.json. Raises HwgenError if there is none."""
    path = Path(folder)
    path = path / "report.json" if path.is_dir() else path
    try:
        return Report.model_validate_json(path.read_text())
    except (OSError, UnicodeDecodeError) as error:
        raise HwgenError(
            str(folder),
            "no report.json",
            "must be the output folder of a finished `hwgen compile`",
            "compile first",
        ) from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "content"
        raise HwgenError(
            str(path), f"{where}: {first['msg']}", "must be a hwgen.report/1", "compile again"
        ) from error


def update_report(folder: Path | str, **sections: Any) -> Report:
    """Replaces values of sections (`cycles={"simulated": 75411}, check={...}`) and saves.

    A section is a dict (its keys replace the old values, others stay) or a schema object.
    """
    folder = Path(folder)
    old = load_report(folder)
    body = old.model_dump(by_alias=True)
    for name, section in sections.items():
        new = section if isinstance(section, Mapping) else section.model_dump()
        body[name] = {**body[name], **new}
    view_path = folder / VIEW
    view = json.loads(view_path.read_text()) if view_path.exists() else {}
    return save_report(folder, Report.model_validate(body), **view)
