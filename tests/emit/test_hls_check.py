"""What the HLS back end refuses: the one line that the user reads."""

from __future__ import annotations

import dataclasses

import pytest

from hwgen.emit import hls_check
from hwgen.emit.hls import sources
from hwgen.emit.hls_check import check_addresses, check_hls, check_widths, declared_widths
from hwgen.engine.sizing import Sizing
from hwgen.errors import HwgenError
from hwgen.schedule.program import Program, schedule
from tests.graphs import random_graph


@pytest.fixture(scope="module")
def program() -> Program:
    return schedule(random_graph(), Sizing())


def line(call, *args) -> str:
    with pytest.raises(HwgenError) as error:
        call(*args)
    return error.value.line


def test_a_whole_network_is_accepted(program: Program) -> None:
    check_hls(program.graph, program.sizing, program)


def test_an_op_without_a_kernel_is_named_by_its_module_path(program, monkeypatch) -> None:
    op = program.graph.ops[-1]
    monkeypatch.setattr(type(op), "HLS", ())
    first = next(o for o in program.graph.ops if type(o) is type(op))
    assert line(check_hls, program.graph, program.sizing, program) == (
        f"{first.name}: {type(op).__name__}; has no HLS kernel; use --backend rtl"
    )


@pytest.mark.parametrize("lanes", [16, 32, 64])
def test_no_type_of_the_engine_is_beyond_ap_int(lanes: int) -> None:
    texts = sources(Sizing(lanes=lanes, kw=256, gs=16))
    widths = {kind: bits for _, kind, bits in declared_widths(texts)}
    assert widths["ap_uint<LANES>"] == lanes
    assert widths["ap_uint<2 * LANES>"] == 2 * lanes
    assert max(widths.values()) == widths["ap_uint<INSTR_BITS>"] == 512
    check_widths(texts)


def test_a_type_beyond_ap_int_is_a_compile_error() -> None:
    texts = sources(Sizing(lanes=64, kw=256)) | {"word.hpp": "using W = ap_int<LANES * ACT_BITS>;"}
    check_widths(texts)  # 1,024 bits: the edge
    texts["word.hpp"] = "using W = ap_int<LANES * (ACT_BITS + 1)>;"
    assert line(check_widths, texts) == (
        "hls/word.hpp: ap_int<LANES * (ACT_BITS + 1)> is 1,088 bits; ap_int holds 1,024; "
        "--set lanes= or kw= smaller, or --backend rtl"
    )


def moved(program: Program, op: str, **fields: int) -> Program:
    """The program with other fields in its last instruction of that kind."""
    instructions = list(program.instructions)
    k = max(k for k, i in enumerate(instructions) if i.op == op)
    i = instructions[k]
    instructions[k] = dataclasses.replace(i, fields=i.fields | fields)
    return dataclasses.replace(program, instructions=tuple(instructions))


def test_tensors_past_the_port_are_compile_errors(program: Program) -> None:
    loaded = next(i for i in reversed(program.instructions) if i.op == "LOAD")
    size = hls_check.record_words(loaded.fields) * program.sizing.word_bytes
    check_addresses(moved(program, "LOAD", ddr=(1 << 32) - size))
    assert line(check_addresses, moved(program, "LOAD", ddr=(1 << 32) - size + 64)) == (
        f"{loaded.step}: parameters to byte 4,294,967,360; a memory port reaches 4,294,967,296 "
        "bytes (32-bit offsets); use a smaller network or smaller images"
    )
    stored = next(i for i in program.instructions if i.op == "STORE")
    assert line(check_addresses, moved(program, "STORE", ddr=1 << 32)).startswith(
        f"{stored.step}: result to byte 4,294,967,"
    )
    image = line(check_addresses, moved(program, "LOADF", ddr=1 << 32, base_sel=1))
    assert ": input image to byte 4,29" in image


def test_an_image_that_leaves_no_room_is_a_compile_error(program: Program, monkeypatch) -> None:
    (image,) = program.graph.inputs
    monkeypatch.setattr(Program, "image_bytes", (1 << 32) + 16)
    assert line(check_addresses, program) == (
        f"{image}: input image to byte 4,294,967,312; a memory port reaches 4,294,967,296 bytes "
        "(32-bit offsets); use a smaller network or smaller images"
    )
    monkeypatch.setattr(Program, "image_bytes", 1 << 32)
    assert line(check_addresses, program).startswith(
        "program: program, weights, image and result to byte 4,29"
    )
