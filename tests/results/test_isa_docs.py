"""docs/instructions.md says what hwgen.engine.isa says."""

import pytest

from hwgen.engine import isa
from hwgen.results import isa_docs
from hwgen.results.markers import fill


def test_page_is_current() -> None:
    text = isa_docs.PAGE.read_text()
    now = fill(text, isa_docs.block(), "docs/instructions.md", isa_docs.BEGIN, isa_docs.END)
    assert now == text, "run `.venv/bin/python -m hwgen.results.isa_docs`"


def test_every_field_is_on_the_page_with_its_place_and_meaning() -> None:
    block = isa_docs.block()
    for op in isa.OPCODES:
        assert f"| {isa.OPCODES[op][0]} | {op} | " in block
        for f in isa.layout(op).values():
            bits = f"{f.lsb + f.width - 1}:{f.lsb}" if f.width > 1 else f.lsb
            assert f"| `{f.name}` | {bits} | {f.width}" in block
            assert f.meaning
            assert f.meaning in block
    assert "| `off0` .. `off11` | 145:128 | 18, signed |" in block
    assert set(isa_docs.HEADINGS) == set(isa_docs.groups())


def test_a_changed_table_makes_the_page_old(monkeypatch: pytest.MonkeyPatch) -> None:
    before = isa_docs.block()
    monkeypatch.setattr(isa, "LDW", [isa.Spec("wb", 17, False, "wider"), *isa.LDW[1:]])
    isa.layout.cache_clear()
    changed = isa_docs.block()
    monkeypatch.undo()
    isa.layout.cache_clear()
    assert changed != before
    assert isa_docs.block() == before
