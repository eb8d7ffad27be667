"""A program as text, for people: one line an instruction."""

from __future__ import annotations

from hwgen.engine.isa import SET_KINDS
from hwgen.schedule.program import Program, wrapped

KINDS = {number: name for name, number in SET_KINDS.items()}


def listing(program: Program) -> str:
    """Number, queue, opcode, fields (`hwgen.engine.isa`) and op of every instruction.

    Fields that are 0 are left out; waits are counts modulo 2^16, as in the binary.
    """
    lines = [f"# {len(program.instructions)} instructions; fields that are 0 are left out"]
    for n, i in enumerate(program.instructions):
        kind = f"kind={KINDS[i.fields['kind']]} " if i.op == "SET" else ""
        text = kind + " ".join(
            f"{k}={v}" for k, v in wrapped(i.fields).items() if v and k != "kind"
        )
        lines.append(f"{n:>5} {i.queue} {i.op:<8}{text}  # {i.step}")
    return "\n".join(lines) + "\n"
