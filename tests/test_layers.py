"""Folders of hwgen/ stand above one another: imports go down, never back up or around."""

from __future__ import annotations

import ast
from pathlib import Path

import networkx as nx
import pytest

from hwgen.paths import PACKAGE


def modules(root: Path) -> dict[str, Path]:
    """Dotted name -> file, below a folder that is a package."""
    found = {}
    for path in root.rglob("*.py"):
        parts = [root.name, *path.relative_to(root).with_suffix("").parts]
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imports(root: Path) -> nx.DiGraph:
    """Module -> module that it imports anywhere, also inside a function or for types only."""
    files = modules(root)
    graph = nx.DiGraph()
    graph.add_nodes_from(files)
    for name, path in files.items():
        for node in ast.walk(ast.parse(path.read_text())):
            names: list[str] = []
            if isinstance(node, ast.Import):
                names = [a.name for a in node.names]
            elif isinstance(node, ast.ImportFrom) and node.module:
                inner = [f"{node.module}.{a.name}" for a in node.names]
                names = [i if i in files else node.module for i in inner]
            graph.add_edges_from((name, target) for target in names if target in files)
    graph.remove_edges_from(nx.selfloop_edges(graph))
    return graph


def folders(graph: nx.DiGraph) -> nx.DiGraph:
    """The same between the folders right below the package (and the files beside them)."""
    place = {m: ".".join(m.split(".")[:2]) for m in graph}
    out = nx.DiGraph((place[a], place[b]) for a, b in graph.edges)
    out.remove_edges_from(nx.selfloop_edges(out))
    return out


def circles(graph: nx.DiGraph) -> list[list[str]]:
    return [sorted(c) for c in nx.strongly_connected_components(graph) if len(c) > 1]


def test_no_module_imports_itself_through_others() -> None:
    assert circles(imports(PACKAGE)) == []


def test_folders_have_an_order() -> None:
    graph = folders(imports(PACKAGE))
    assert circles(graph) == []
    assert not set(graph.predecessors("hwgen.results")) - {"hwgen.cli"}  # nothing else needs it
    assert not set(graph.successors("hwgen.engine")) - {"hwgen.errors"}


@pytest.mark.parametrize("line", ["from p.a import x", "def f():\n    import p.a.x"])
def test_a_circle_is_found(line: str, tmp_path: Path) -> None:
    (tmp_path / "p" / "a").mkdir(parents=True)
    (tmp_path / "p" / "b").mkdir()
    for file in ("__init__", "a/__init__", "b/__init__"):
        (tmp_path / "p" / f"{file}.py").write_text("")
    (tmp_path / "p" / "a" / "x.py").write_text("from p.b import y\n")
    (tmp_path / "p" / "b" / "y.py").write_text(f"{line}\n")
    graph = imports(tmp_path / "p")
    assert circles(graph) == [["p.a.x", "p.b.y"]]
    assert circles(folders(graph)) == [["p.a", "p.b"]]
