"""Units of the emitted RTL: which modules are synthesised alone, and how often each one stands.

Yosys elaborates the whole engine once (parameters resolved, nothing optimised) and writes it as
RTLIL. `split` walks the instances from the top: a module named in UNITS starts a unit of its own,
any other module belongs to the unit around it. Every instance is therefore in exactly one unit, and
units x instances is the engine.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hwgen.tools.arguments import ToolPaths
from hwgen.tools.yosys import run_yosys

# Module -> name of the unit; {inst} is the instance, {parent} the unit around it.
UNITS = {
    "activation_fetch": "activation_fetch",
    "attention": "attention",
    "axi_read": "axi_read",
    "axi_write": "axi_write",
    "axil_regs": "axil_regs",
    "bit_memory": "bit_memory",
    "compute_unit": "compute_unit",
    "dma": "dma",
    "feature_memory": "feature_memory_{inst}",
    "lane": "lane",
    "lanes": "lanes",
    "ldw": "ldw",
    "norm_unit": "norm_unit",
    "param_ram": "param_ram_{inst}",
    "partial_sums": "partial_sums",
    "popcount": "popcount_{parent}",
    "sequencer": "sequencer",
    "weight_buffer": "weight_buffer",
    "weight_store": "weight_store",
    "xnor_array": "xnor_array",
    "xnor_front": "xnor_front",
}
REST = "hwgen_core"  # queues, control and wiring: everything outside the units above

_MODULE = re.compile(r"^module (\S+)$", re.M)
_CELL = re.compile(r"^  cell (\S+) (\S+)$", re.M)
_SRC = re.compile(r"^ *attribute \\src \".*\"\n", re.M)
_AT = re.compile(r'^  attribute \\src "([^"|]+?:\d+)')
_WIRE = re.compile(r"^  (?:wire|memory) .*?\\(\S+)$")
_NUMBER = re.compile(r"\$(\d+)(?=[\s\[\]]|$)")


@dataclass(frozen=True)
class Module:
    """One elaborated module: its RTLIL text, its shell (ports only), cells as (type, instance)."""

    name: str
    text: str
    shell: str
    cells: tuple[tuple[str, str], ...]

    @property
    def base(self) -> str:
        """The name in the source of `$paramod$1f..\\lane`, `$paramod\\lane\\A=..`, `\\lane`."""
        parts = self.name.split("\\")
        return parts[1]


@dataclass(frozen=True)
class Unit:
    """A module and what it instantiates (`inside`, RTLIL names), down to the next unit (`borders`).

    `names` maps the unit's name in the report to the number of its instances there.
    """

    top: str
    inside: tuple[str, ...]
    borders: tuple[str, ...]
    names: dict[str, int]


def elaborate(
    files: Sequence[Path], top: str, work: Path, parameters: dict[str, int] | None = None
) -> dict[str, Module]:
    """Every elaborated module of `top` by its RTLIL name. `work` is a folder for the RTLIL file."""
    return parse(_SRC.sub("", _elaborated(files, top, work, parameters)))


def elaborate_with_lines(
    files: Sequence[Path], top: str, work: Path, parameters: dict[str, int] | None = None
) -> tuple[dict[str, Module], dict[tuple[str, str], str]]:
    """The same, and (module, signal) -> "file.v:12", where it is declared (RTLIL names, without
    their backslash for signals)."""
    text = _elaborated(files, top, work, parameters)
    return parse(_SRC.sub("", text)), declarations(text)


def _elaborated(
    files: Sequence[Path], top: str, work: Path, parameters: dict[str, int] | None
) -> str:
    """RTLIL of the design, with file names but no folders."""
    out = work / "elaborated.il"
    chparam = " ".join(f"-chparam {k} {v}" for k, v in sorted((parameters or {}).items()))
    with ToolPaths() as plain:  # Yosys ends a path at a quote
        files = [plain(f) for f in files]
        script = [f'read_verilog "{f}"' for f in files]
        script += [
            f"hierarchy -check -top {top} {chparam}",
            f'write_rtlil "{plain(work) / out.name}"',
        ]
        run_yosys(script)
    text = out.read_text()
    for folder in sorted({str(f.parent) for f in files}, key=len, reverse=True):
        text = text.replace(folder + "/", "")  # names hold the path of the source
    return text


def declarations(text: str) -> dict[tuple[str, str], str]:
    """(module, signal) -> "file.v:12" of an RTLIL file."""
    found: dict[tuple[str, str], str] = {}
    module = line = ""
    for row in text.splitlines():
        if row.startswith("module "):
            module = row.removeprefix("module ")
        elif match := _AT.match(row):
            line = match[1]
        elif match := _WIRE.match(row):
            if line:
                found[module, match[1]] = line
            line = ""
        elif not row.startswith("  attribute"):
            line = ""
    return found


def _renumbered(body: str) -> str:
    """Automatic names counted from 1, so that equal modules have equal texts."""
    seen: dict[str, str] = {}
    return _NUMBER.sub(lambda m: "$" + seen.setdefault(m[1], str(len(seen) + 1)), body)


def parse(text: str) -> dict[str, Module]:
    """Modules of an RTLIL file. Numbers in generated names count from 1 in every module, so that a
    module's text does not depend on what was read before it."""
    found: dict[str, Module] = {}
    block: list[str] = []
    for line in text.splitlines():
        if not block and not line.startswith(("attribute ", "module ")):
            continue  # header
        block.append(line)
        if line == "end":
            body = "\n".join(block) + "\n"
            (name,) = _MODULE.findall(body)
            body = _renumbered(body)
            found[name] = Module(name, body, _shell(block), tuple(_CELL.findall(body)))
            block = []
    return found


def _shell(lines: list[str]) -> str:
    """Attributes, ports and nothing else, marked as a black box."""
    head = [x for x in lines if x.startswith(("attribute ", "module "))]
    ports = [x for x in lines if re.match(r"  wire .*\b(input|output|inout) \d+ ", x)]
    return "\n".join(["attribute \\blackbox 1", *head, *ports, "end"]) + "\n"


def top_module(modules: dict[str, Module], top: str) -> str:
    """RTLIL name of `top`."""
    (name,) = (n for n, m in modules.items() if m.base == top)
    return name


def split(modules: dict[str, Module], top: str, units: dict[str, str] | None = None) -> list[Unit]:
    """The units below `top` (a Verilog name), each once, with the number of its instances."""
    chosen = UNITS if units is None else units
    root = top_module(modules, top)
    names: dict[str, Counter[str]] = {}

    def visit(unit: str, label: str, module: str, times: int) -> None:
        for (kind, inst), n in _instances(modules, module).items():
            base = modules[kind].base
            if base in chosen:
                name = chosen[base].format(inst=inst, parent=label)
                names.setdefault(kind, Counter())[name] += n * times
                visit(kind, name, kind, n * times)
            else:
                visit(unit, label, kind, n * times)

    names[root] = Counter({REST: 1})
    visit(root, REST, root, 1)
    return [Unit(m, *_extent(modules, m, chosen), dict(c)) for m, c in sorted(names.items())]


def _instances(modules: dict[str, Module], module: str) -> Counter[tuple[str, str]]:
    """(module, instance name without generate blocks, `u_`) -> number of instances."""
    cells = [(k, i) for k, i in modules[module].cells if k in modules]
    return Counter((k, i.lstrip("\\").split(".")[-1].removeprefix("u_")) for k, i in cells)


def _extent(
    modules: dict[str, Module], root: str, chosen: dict[str, str]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Modules of the unit `root` (itself included) and the units that it instantiates."""
    inside, borders, todo = {root}, set(), [root]
    while todo:
        for kind, _ in modules[todo.pop()].cells:
            if kind not in modules or kind in inside:
                continue
            if modules[kind].base in chosen:
                borders.add(kind)
            else:
                inside.add(kind)
                todo.append(kind)
    return tuple(sorted(inside)), tuple(sorted(borders))
