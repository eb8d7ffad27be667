"""What a new op touches, and that nothing else knows ops by name (CONTRIBUTING.md, "Add an op")."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from hwgen.ops import REGISTRY
from hwgen.paths import CHECKOUT, PACKAGE
from hwgen.schedule.steps import STEPS

# Who may name an op: itself, its program, what lowers to it, and the pass that copies a tensor.
PLACES = ("ops", "schedule/steps", "passes/quantize.py", "passes/lower_kinds.py")
COPIES = {"passes/separate_streams.py": {"Pointwise"}, "schedule/spill.py": {"Reload"}}


def ops_named(path: Path) -> set[str]:
    """Ops that a module imports, takes out of a module of ops, or compares with."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("hwgen.ops"):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.Attribute):
            found.add(node.attr if isinstance(node.value, ast.Attribute) else "")
        elif isinstance(node, ast.Compare):  # of a class's name
            strings = (n for n in ast.walk(node) if isinstance(n, ast.Constant))
            found |= {n.value for n in strings if isinstance(n.value, str)}
    return found & REGISTRY.keys()


def test_only_these_places_know_ops() -> None:
    for path in sorted(PACKAGE.rglob("*.py")):
        name = path.relative_to(PACKAGE).as_posix()
        if not name.startswith(PLACES):
            assert ops_named(path) <= COPIES.get(name, set()), name


@pytest.mark.parametrize(
    "line",
    [
        "from hwgen.ops.vector import Pointwise",
        "wide = isinstance(op, ops.xnor.XnorConv)",
        "if type(op).__name__ == 'MaxPool': pass",
    ],
)
def test_another_place_is_found(line: str, tmp_path: Path) -> None:
    (tmp_path / "place.py").write_text(f"{line}\n")
    assert ops_named(tmp_path / "place.py")


def test_every_op_has_one_file_and_one_program() -> None:
    for name, op in REGISTRY.items():
        assert op.__module__.startswith("hwgen.ops."), name
        assert STEPS[name].__module__.startswith("hwgen.schedule.steps."), name
    assert STEPS.keys() == REGISTRY.keys()


def test_contributing_lists_these_places() -> None:
    text = (CHECKOUT / "CONTRIBUTING.md").read_text()
    text = text[text.index("## Add an op") : text.index("## Add a kind of float node")]
    table = re.findall(r"^\| `([^`]+)` \|", text, re.M)
    assert table == [
        "hwgen/ops/<family>.py", "hwgen/schedule/steps/<family>.py", "hwgen/passes/lower_kinds.py",
    ]  # fmt: skip
    named = {place.removeprefix("hwgen/").split("/<")[0] for place in table}
    # quantize.py makes a Constant of a value that an op adds, whatever the op
    assert named == set(PLACES) - {"passes/quantize.py"}
    for test in re.findall(r"`(tests/[\w/]+\.py)`", text):
        assert (CHECKOUT / test).is_file(), test
