"""Digests of all that hwgen emits, to prove that a change of structure changes nothing.

    python -m tests.emitted before.json             writes the digests
    python -m tests.emitted --compare before.json   says what differs; exit code 1 if anything does

Of every case: the integer graph (JSON), the program, the weight image, and each file of the RTL
(its words: white space and comments do not count) and of the HLS C++. Cases: both digit
classifiers, BHViT-Tiny and BinaryViT-Small with random weights, sixteen random graphs.
Takes some minutes.
"""

from __future__ import annotations

import hashlib
import json
import re
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from hwgen.emit.hls import sources
from hwgen.emit.rtl import write_rtl
from hwgen.ir import Graph
from hwgen.passes.lower import prepare
from hwgen.paths import models_dir
from hwgen.pipeline import load_prepared
from hwgen.schedule.program import schedule
from hwgen.search.choose import choose
from hwgen.targets import get_target
from hwgen.zoo.untrained import photographs, untrained
from tests.graphs import random_graph

CHECKPOINTS = ("bhvit_micro_digits", "binaryvit_micro_digits")
NETWORKS = ("bhvit_tiny", "binaryvit_small")
RANDOM_GRAPHS = 16
COMMENT = re.compile(r"//[^\n]*|/\*.*?\*/", re.DOTALL)


def graphs() -> Iterator[tuple[str, Graph]]:
    """Every case's name and integer graph."""
    for name in CHECKPOINTS:
        prepared = load_prepared(models_dir() / f"{name}.pt").prepared
        yield name, prepared.quantize().graph
    for name in NETWORKS:
        images = photographs(224)
        prepared = prepare(untrained(name, images), images, meta={"name": name})
        yield name, prepared.quantize(12).graph
    for seed in range(RANDOM_GRAPHS):
        yield f"random {seed}", random_graph(seed)


def digest(data: bytes | str) -> str:
    return hashlib.sha256(data.encode() if isinstance(data, str) else data).hexdigest()


def words(text: str) -> str:
    """A source without comments and white space that means nothing."""
    return " ".join(COMMENT.sub(" ", text).split())


def emitted() -> dict[str, str]:
    """'case: what' -> SHA-256."""
    out: dict[str, str] = {}
    for name, graph in graphs():
        sizing = choose(graph, get_target("zynq"))
        program = schedule(graph, sizing)
        out[f"{name}: sizing"] = digest(repr(sizing))
        out[f"{name}: graph"] = digest(graph.to_json())
        out[f"{name}: program"] = digest(program.binary())
        out[f"{name}: weights"] = digest(program.weights)
        with tempfile.TemporaryDirectory() as folder:
            for file in write_rtl(Path(folder), sizing):
                out[f"{name}: {file.name}"] = digest(words(file.read_text()))
        for file, text in sources(sizing).items():
            out[f"{name}: {file}"] = digest(words(text))
        print(name, sizing, len(program.instructions), flush=True)
    return out


def main(arguments: list[str]) -> int:
    compare = arguments[:1] == ["--compare"]
    path = Path(arguments[-1])
    now = emitted()
    if not compare:
        path.write_text(json.dumps(now, indent=1) + "\n")
        return 0
    before = json.loads(path.read_text())
    differ = sorted(k for k in before.keys() | now.keys() if before.get(k) != now.get(k))
    for key in differ:
        print(f"differs: {key}")
    print(f"{len(now)} digests, {len(differ)} differ")
    return int(bool(differ))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
