"""`hwgen evaluate`: the float and the integer network on images, batch by batch."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from hwgen.atomic import write_text_atomic
from hwgen.errors import HwgenError
from hwgen.ir.graph import Graph
from hwgen.pictures import ImageSet

FORMAT = "hwgen.evaluation/1"
TOP = 5  # with more classes, top-5 is counted besides top-1


@dataclass
class Score:
    """How often a network's best class, and one of its five best, is the label."""

    top1: int = 0
    top5: int = 0

    def add(self, logits: np.ndarray, labels: np.ndarray) -> None:
        """logits (B, classes), labels (B,). Of equal logits the first class is the better one, as
        argmax has it."""
        own = logits[np.arange(len(labels)), labels][:, None]
        before = np.arange(logits.shape[1]) < labels[:, None]
        rank = ((logits > own) | ((logits == own) & before)).sum(1)
        self.top1 += int((rank < 1).sum())
        self.top5 += int((rank < TOP).sum())


@dataclass
class Evaluation:
    """Both networks on `images` images; the scores are None where no labels are known."""

    model: str
    sha256: str
    act_bits: int
    classes: int
    images: int = 0
    agree: int = 0  # images whose best class is the same
    real: Score | None = None
    integer: Score | None = None
    data: str = ""
    labels: str = ""
    preprocess: str = ""
    pictures: list[str] = field(default_factory=list)  # what was done to them
    calibration: str = ""

    def add(self, real: np.ndarray, integer: np.ndarray, labels: np.ndarray | None) -> None:
        """Logits (B, classes) of both, labels (B,)."""
        self.images += len(real)
        self.agree += int((real.argmax(1) == integer.argmax(1)).sum())
        if labels is not None:
            self.real, self.integer = self.real or Score(), self.integer or Score()
            self.real.add(real, labels)
            self.integer.add(integer, labels)

    def lines(self) -> list[str]:
        """For the terminal."""
        rows = [("images", f"{self.images:,} of {self.data}")]
        rows += [("pictures", text) for text in self.pictures]
        none = f"none, so no accuracy: {self.labels}"
        rows.append(("labels", self.labels if self.real else none))
        rows.append(("calibrated", f"on {self.calibration}"))
        for name, score in self._scores().items():
            text = f"top-1 {self._share(score.top1)}"
            if self.classes > TOP:
                text += f", top-5 {self._share(score.top5)}"
            rows.append((name, text))
        rows.append(("agreement", f"{self._share(self.agree)}: the same best class"))
        return [f"{name:<11} {text}" for name, text in rows]

    def _scores(self) -> dict[str, Score]:
        named = {"float": self.real, "integer": self.integer}
        return {name: score for name, score in named.items() if score is not None}

    def _share(self, count: int) -> str:
        return f"{100 * count / self.images:.2f} % ({count:,} of {self.images:,})"

    def to_json(self) -> str:
        """Numbers, with sorted keys; fractions are of `images`."""
        body: dict[str, Any] = {
            "schema": FORMAT, "model": self.model, "sha256": self.sha256,
            "act_bits": self.act_bits, "classes": self.classes, "images": self.images,
            "data": self.data, "labels": self.labels, "preprocess": self.preprocess,
            "pictures": self.pictures, "calibration": self.calibration,
            "agreement": self.agree / self.images, "agreement_count": self.agree,
        }  # fmt: skip
        for name, score in self._scores().items():
            counts = {"top1": score.top1}
            if self.classes > TOP:
                counts["top5"] = score.top5
            body[name] = {k: n / self.images for k, n in counts.items()}
            body[name] |= {f"{k}_count": n for k, n in counts.items()}
        return json.dumps(body, indent=2, sort_keys=True) + "\n"


Logits = Callable[[np.ndarray], np.ndarray]


def measure(
    into: Evaluation, images: ImageSet, real: Logits, integer: Logits, batch: int,
    limit: int | None = None,
) -> Evaluation:  # fmt: skip
    """`into`, filled from all images or `limit` of them, evenly spaced; memory is for one batch.

    real, integer: uint8 (B, H, W, channels) -> logits (B, classes).
    Raises: HwgenError for a picture that cannot be read.
    """
    total = min(len(images), limit or len(images))
    with progress(total) as advance:
        for indices, some in images.batches(batch, limit):
            labels = None if images.labels is None else images.labels[indices]
            into.add(real(some), integer(some), labels)
            advance(len(some))
    into.pictures = images.reader.lines()
    return into


@contextmanager
def progress(total: int) -> Iterator[Callable[[int], None]]:
    """A bar on stderr, where that is a terminal; what is yielded moves it on."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
    from rich.progress import TimeRemainingColumn as Remaining

    console = Console(stderr=True)
    columns = TextColumn("images"), BarColumn(), MofNCompleteColumn(), Remaining()
    with Progress(
        *columns, console=console, disable=not console.is_terminal, transient=True
    ) as bar:
        task = bar.add_task("images", total=total)
        yield lambda count: bar.advance(task, count)


def check_output(path: Path) -> None:
    """Raises: HwgenError where `--json` cannot be written: before the work, not after it."""
    found = ""
    if path.is_dir():
        found = "is a folder"
    elif not path.parent.is_dir():
        found = f"{path.parent} is no folder"
    elif not os.access(path.parent, os.W_OK):
        found = f"{path.parent} is not writable"
    if found:
        raise HwgenError(f"--json {path}", found, "must be a file in a folder that is there",
                         "choose another name")  # fmt: skip


def write_json(path: Path, evaluation: Evaluation) -> None:
    """Raises: HwgenError where it cannot be written."""
    try:
        write_text_atomic(path, evaluation.to_json())
    except OSError as error:
        raise HwgenError(
            f"--json {path}", error.strerror or error, "must be writable", "choose another name"
        ) from None


def started(graph: Graph, images: ImageSet, data: Path, calibration: str) -> Evaluation:
    """An evaluation of a model on images before its first batch."""
    name, sha256 = graph.meta["name"], graph.meta["sha256"]
    return Evaluation(
        name, sha256, graph.meta["act_bits"], graph.meta["classes"], data=str(data),
        labels=images.labelled_by, preprocess=str(images.reader.preprocess),
        calibration=calibration,
    )  # fmt: skip
