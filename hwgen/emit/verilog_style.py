"""Style of the Verilog: `python -m hwgen.emit.verilog_style` lists what breaks it, exit code 1.

Checked are the files of templates/rtl and tests, and the emitted form of the templates among them;
the emitted engine, in the wrapper of `hwgen place`, also goes through Verilator's lint. Every rule
is a function of a `Source` that yields (line, rule); `findings` makes 'file:line: rule' of them.
"""

from __future__ import annotations

import re
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from hwgen.emit import serial_wrapper
from hwgen.emit.rtl import TOP, write_rtl
from hwgen.emit.time_engine import CLOCK
from hwgen.engine.sizing import Sizing
from hwgen.paths import CHECKOUT, templates_dir
from hwgen.targets import get_target
from hwgen.tools.lint import lint_verilog

INDENT = 4
LINE = 100

_COMMENT = re.compile(r"//[^\n]*|/\*.*?\*/", re.DOTALL)
_STRING = re.compile(r'"[^"\n]*"')
_MODULE = re.compile(r"^[ \t]*module\s+(\w+)", re.M)
_MEMORY = re.compile(r"\breg\b[^;=()]*?\w\s*\[[^\];]*:[^\];]*\]\s*[,;]")
_DECLARED = re.compile(r"\breg\s+(?:signed\s+)?(?:\[[^\]]*\]\s*)?(.*)", re.DOTALL)
_PARAMETERS = re.compile(r"\b([A-Za-z_]\w*)\s*#\s*(?=\()")  # of an instance, or of the module
_NAME = re.compile(r"\s*[A-Za-z_]\w*\s*(?=\()")
_PAIR = re.compile(r"\b([A-Za-z_]\w*)\s+([A-Za-z_]\w*)\s*(?=\((?!\*))")  # module, instance
_KEYWORDS = set(
    re.findall(
        r"\w+",
        "always and assign begin case casez default else end endcase endfunction endgenerate "
        "endmodule for function generate genvar if initial inout input integer localparam module "
        "negedge or output parameter posedge reg signed while wire",
    )
)

Found = Iterator[tuple[int, str]]


@dataclass(frozen=True)
class Source:
    """One Verilog file: its name and its text."""

    name: str
    text: str

    @property
    def module(self) -> str:
        return Path(self.name).stem

    @cached_property
    def lines(self) -> list[str]:
        return self.text.splitlines()

    @cached_property
    def code(self) -> str:
        """The text with comments and strings blanked out, in the same places."""
        blank = lambda m: re.sub(r"[^\n]", " ", m[0])  # noqa: E731
        return _COMMENT.sub(blank, _STRING.sub(blank, self.text))

    def line(self, offset: int) -> int:
        return self.text.count("\n", 0, offset) + 1


def default_nettype(source: Source) -> Found:
    """Only the module's lines are under `none`, so that files can be put one behind the other."""
    code = [(n, x.strip()) for n, x in enumerate(source.code.splitlines(), 1) if x.strip()]
    if not code or code[0][1] != "`default_nettype none":
        yield code[0][0] if code else 1, "the code must begin with `default_nettype none"
    if not code or code[-1][1] != "`default_nettype wire":
        yield code[-1][0] if code else 1, "the code must end with `default_nettype wire"


def white_space(source: Source) -> Found:
    for n, line in enumerate(source.lines, 1):
        if "\t" in line:
            yield n, "no tabs"
        if line != line.rstrip():
            yield n, "no trailing blanks"
        if len(line) > LINE:
            yield n, f"{len(line)} characters; at most {LINE}"
        if (len(line) - len(line.lstrip(" "))) % INDENT:
            yield n, f"indentation must be a multiple of {INDENT}"


def one_module(source: Source) -> Found:
    modules = list(_MODULE.finditer(source.code))
    for m in modules[1:]:
        yield source.line(m.start(1)), f"second module, {m[1]}; one per file"
    if not modules:
        yield 1, "no module"
    elif modules[0][1] != source.module:
        yield source.line(modules[0].start(1)), f"module {modules[0][1]} in {source.name}"


def header(source: Source) -> Found:
    if not source.text.startswith("// "):
        yield 1, "no header comment"


def named_pins(source: Source) -> Found:
    """Every parameter and port of an instance is connected by name."""
    code, brackets = source.code, []
    for m in _PARAMETERS.finditer(code):
        if not code[: m.start()].rstrip().endswith("module"):
            brackets.append(m.end())
            name = _NAME.match(code, _closing(code, m.end()) + 1)
            brackets += [name.end()] if name else []
    brackets += [m.end() for m in _PAIR.finditer(code) if not {m[1], m[2]} & _KEYWORDS]
    for start in brackets:
        for offset, item in _items(code, start):
            if item and not item.startswith("."):
                yield source.line(offset), f"positional connection {' '.join(item.split())}"


def _closing(code: str, start: int) -> int:
    """Where the bracket that opens at `start` closes."""
    depth = 0
    for n in range(start, len(code)):
        depth += (code[n] in "([{") - (code[n] in ")]}")
        if depth == 0:
            return n
    return len(code)


def _items(code: str, start: int) -> Found:
    """(offset, text) of what commas separate in the bracket that opens at `start`."""
    end, begin, depth = _closing(code, start), start + 1, 0
    for n in range(start + 1, end + 1):
        depth += (code[n : n + 1] in ("(", "[", "{")) - (code[n : n + 1] in (")", "]", "}"))
        if n == end or (depth == 0 and code[n] == ","):
            item = code[begin:n]
            yield begin + len(item) - len(item.lstrip()), item.strip()
            begin = n + 1


def _declared(memory: str) -> str:
    """Type, ranges and name of a declaration, as far as `_DECLARED` takes them."""
    found = _DECLARED.match(memory)
    assert found is not None, f"{memory!r} is no declaration"
    return found[1]


def ram_style(source: Source) -> Found:
    """Every array says which memory it is meant to become."""
    for m in _MEMORY.finditer(source.code):
        if "[" not in re.sub(r"^\s*\[[^\]]*\]", "", _declared(m[0])):
            continue  # a vector
        before = source.code[: m.start()].rstrip()
        if not re.search(r"\(\*[^;]*\bram_style\s*=[^;]*\*\)$", before):
            yield source.line(m.start()), "an array needs (* ram_style = ... *)"


RULES = (default_nettype, white_space, one_module, header, named_pins, ram_style)


def findings(sources: Iterable[Source]) -> list[str]:
    """'file:line: rule' of every fault of the sources, in their order."""
    return [
        f"{source.name}:{line}: {rule}"
        for source in sources
        for line, rule in sorted(found for check in RULES for found in check(source))
    ]


def check() -> list[str]:
    """All findings: style of the sources, style and lint of what is emitted for `zynq`."""
    rtl = templates_dir() / "rtl"
    paths = [*rtl.rglob("*.v"), *(CHECKOUT / "tests").rglob("*.v")]
    sources = [Source(str(p.relative_to(CHECKOUT)), p.read_text()) for p in sorted(paths)]
    with tempfile.TemporaryDirectory() as folder:
        files = write_rtl(Path(folder), Sizing(**get_target("zynq").engine))
        plain = {p.name for p in paths}
        files.append(_write_wrapper(Path(folder), files[-1]))
        sources += [Source(f.name, f.read_text()) for f in files if f.name not in plain]
        return findings(sources) + emitted_lint(files, serial_wrapper.TOP)


def _write_wrapper(folder: Path, engine: Path) -> Path:
    """The wrapper that is placed and routed, around the engine of the file."""
    path = folder / f"{serial_wrapper.TOP}.v"
    ports = serial_wrapper.read_ports([engine], TOP)
    path.write_text(serial_wrapper.wrapper_text(TOP, CLOCK, ports))
    return path


def emitted_lint(files: Sequence[Path], top: str = TOP) -> list[str]:
    """Verilator's warnings of everything below `top`, without the folder's name."""
    found = lint_verilog(files, top, skip=("yosys", "pyverilog", "iverilog"))
    return [x.replace(f"{files[0].parent}/", "") for x in found]


if __name__ == "__main__":
    report = check()
    print("\n".join(report or ["Verilog: no findings"]))
    sys.exit(bool(report))
