"""Decoders of instruction words: one small Verilog module per group of fields, from the tables of
hwgen.engine.isa.

A module `decode_GROUP` has one output per field, named as the field and signed where the table says
so, for every group of `isa.groups`. Four more tell instructions apart: `decode_queue` (which queue
takes it), `decode_dma_op`, `decode_cmp_op` (one output per instruction), `decode_set` (one output
per register of SET). All take the whole word of 512 bits; a unit that keeps fewer
(`isa.queue_bits`) fills up with zeros.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from jinja2 import Environment, StrictUndefined

from hwgen.engine import isa
from hwgen.paths import templates_dir

TEMPLATE = "rtl/decode/instruction_fields.v.j2"


def decoders() -> dict[str, str]:
    """Module name -> Verilog text of every decoder."""
    modules = {f"decode_{name}": _fields(group) for name, group in isa.groups().items()}
    units = {unit: [op for op, (_, u) in isa.OPCODES.items() if u == unit] for unit in isa.UNITS}
    queues = {f"to_{unit}": [isa.OPCODES[op][0] for op in ops] for unit, ops in units.items()}
    modules["decode_queue"] = _flags("the queue that takes an instruction", "op", queues, True)
    for unit in ("dma", "cmp"):
        flags = {f"is_{op.lower()}": [isa.OPCODES[op][0]] for op in units[unit]}
        modules[f"decode_{unit}_op"] = _flags(f"instructions of the {unit} queue", "op", flags)
    kinds = {f"is_{kind}": [code] for kind, code in isa.SET_KINDS.items()}
    modules["decode_set"] = _flags("registers that SET writes", "kind", kinds)
    environment = Environment(
        undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True
    )
    template = environment.from_string((templates_dir() / TEMPLATE).read_text())
    return {name: template.render(name=name, **values) for name, values in modules.items()}


def write_decoders(folder: Path, names: Iterable[str] | None = None) -> list[Path]:
    """Renders decoders (None: all) into `folder`; returns their files in order of their names."""
    texts = decoders()
    files = []
    for name in sorted(texts if names is None else names):
        files.append(Path(folder) / f"{name}.v")
        files[-1].write_text(texts[name])
    return files


def _kind(field: isa.Field) -> str:
    sign = "signed " if field.signed else ""
    return f"{sign}[{field.width - 1}:0] " if field.width > 1 else sign


def _part(field: isa.Field) -> str:
    return f"word[{field.lsb} +: {field.width}]" if field.width > 1 else f"word[{field.lsb}]"


def _ports(fields: Iterable[isa.Field]) -> list[str]:
    kinds = [(_kind(f), f.name) for f in fields]
    width = max(len(kind) for kind, _ in kinds)
    return [kind.ljust(width) + name for kind, name in kinds]


def _fields(group: isa.Group) -> dict[str, object]:
    return {
        "about": group.about,
        "note": "An output means something only in the instructions that have the field",
        "cost": "wiring",
        "ports": _ports(group.fields),
        "code": [f"assign {f.name} = {_part(f)};" for f in group.fields],
    }


def _flags(
    about: str, field: str, flags: dict[str, list[int]], show: bool = False
) -> dict[str, object]:
    """One output per name of `flags`, high when `field` has one of its codes; show: and `field`."""
    f = isa.layout("SET")[field]
    code = [f"assign {f.name} = {_part(f)};" if show else f"wire {_kind(f)}{f.name} = {_part(f)};"]
    for name, codes in flags.items():
        equal = [f"{f.name} == {f.width}'d{c}" for c in codes]
        code += [f"assign {name} = {equal[0]}", *(f"    || {x}" for x in equal[1:])]
        code[-1] += ";"
    outputs = [isa.Field(name, 0, 1, False) for name in flags]
    return {
        "about": about,
        "note": "Each output tells one case",
        "cost": "a LUT per output",
        "ports": _ports([f, *outputs] if show else outputs),
        "code": code,
    }
