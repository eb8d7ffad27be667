"""docs/instructions.md: the tables of the instruction set, from hwgen.engine.isa.

`python -m hwgen.results.isa_docs` rewrites the block between the markers; a test compares it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from hwgen.atomic import write_text_atomic
from hwgen.engine import isa
from hwgen.paths import CHECKOUT
from hwgen.report.values import table_row
from hwgen.results.markers import fill

PAGE = CHECKOUT / "docs" / "instructions.md"
BEGIN = "<!-- fields:begin -->"
END = "<!-- fields:end -->"
HEADINGS = {
    "header": "Every instruction",
    "load": "LOAD",
    "loadf": "LOADF",
    "store": "STORE",
    "ldw": "LDW",
    "nest": "Compute instructions: loop nest",
    "slots": "Compute instructions: parameter slots",
    "streams": "Compute instructions: result streams",
    "modes": "Compute instructions: post chain, partial sums",
    "mac": "MACV, MACS, LNSTAT, LNAPPLY: source",
    "xnor": "XLIN, XCONV: source",
    "att": "ATT: source",
    "set": "SET",
    "set_taps": "SET taps: payload",
    "set_att": "SET att: payload",
    "set_norm": "SET norm: payload",
    "set_table": "SET table: payload",
}


def groups() -> dict[str, tuple[isa.Field, ...]]:
    """The groups of fields as the page has them: those of the decoders, and SET's kind."""
    found = {name: group.fields for name, group in isa.groups().items()}
    op, *waits = found["header"]
    return found | {
        "header": (op, *found.pop("lines"), *waits),
        "set": (isa.layout("SET")["kind"],),
    }


def block() -> str:
    """The Markdown between the markers."""
    lines = [table_row(("opcode", "instruction", "queue", "does")), "| ---: | --- | --- | --- |"]
    for op, (code, unit) in isa.OPCODES.items():
        lines.append(table_row((str(code), op, unit if unit != "seq" else "–", isa.MEANINGS[op])))
    found = groups()
    for name, heading in HEADINGS.items():
        lines += ["", f"### {heading}", ""]
        lines += [table_row(("field", "bits", "width", "meaning")), "| --- | ---: | ---: | --- |"]
        lines += [table_row(cells) for cells in _rows(found[name])]
    return "\n".join(lines) + "\n"


def _rows(fields: Sequence[isa.Field]) -> Iterator[tuple[str, str, str, str]]:
    """A row per field; `off0 dx0 off1 dx1 ..` only as their first two."""
    seen = set()
    for f in fields:
        numbered = re.fullmatch(r"(off|dx|slope|intercept)(\d+)", f.name)
        width = f"{f.width}, signed" if f.signed else str(f.width)
        if numbered is None:
            yield f"`{f.name}`", _bits(f), width, f.meaning
            continue
        base = numbered[1]
        if base in seen:
            continue
        seen.add(base)
        series = [g for g in fields if re.fullmatch(rf"{base}\d+", g.name)]
        step = series[1].lsb - series[0].lsb
        meaning = f"{f.meaning}; number k: `{base}`k, {step} k bits higher"
        yield f"`{f.name}` .. `{series[-1].name}`", _bits(f), width, meaning


def _bits(f: isa.Field) -> str:
    return f"{f.lsb + f.width - 1}:{f.lsb}" if f.width > 1 else str(f.lsb)


def main() -> None:
    text = PAGE.read_text()
    write_text_atomic(PAGE, fill(text, block(), "docs/instructions.md", BEGIN, END))


if __name__ == "__main__":
    main()
