"""The emitted HLS C++: what synthesizable files may hold, and that every op has its kernels."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from hwgen.emit.hls import sources
from hwgen.engine import isa
from hwgen.engine.numerics import exp_table, rsqrt_table
from hwgen.engine.sizing import Sizing
from hwgen.ops import REGISTRY
from hwgen.tools.headers import ap_types

NOT_SYNTHESISED = ("csim.cpp", "trace.hpp")
SIZES = {"lanes": 32, "kw": 256, "gs": 16, "gu": 16, "act_bits": 12}
FORBIDDEN = (
    "new", "delete", "malloc", "calloc", "realloc", "free", "std", "virtual", "throw", "try",
    "goto", "while", "do", "asm", "typeid", "dynamic_cast", "float", "double", "printf",
)  # fmt: skip
METHOD = re.compile(
    r"    (?! |return|if|for|switch|else|static|const \w+ \w+ =)[\w<>&:, ]+ \w+\([^;]*[,{}]$"
)
SIZE = r"[0-9A-Z_+\-*/ ()<]+"  # an expression of sizes and numbers


@pytest.fixture(scope="module")
def texts() -> dict[str, str]:
    """Synthesizable files without their comments."""
    found = {k: v for k, v in sources(Sizing(**SIZES)).items() if k not in NOT_SYNTHESISED}
    return {name: re.sub(r" *//[^\n]*", "", text) for name, text in found.items()}


def test_no_heap_no_containers_no_unbounded_loops(texts) -> None:
    assert {"hwgen_top.cpp", "compute.hpp", "isa.hpp", "sizes.hpp", "tables.hpp"} <= set(texts)
    for name, text in texts.items():
        words = set(re.findall(r"[A-Za-z_]\w*", text))
        assert words.isdisjoint(FORBIDDEN), (name, words & set(FORBIDDEN))
        included = set(re.findall(r'#include [<"]([^>"]+)', text))
        assert included - set(texts) <= {"ap_int.h", "hls_stream.h", "trace.hpp"}, name


def test_every_loop_is_bounded_and_the_tools_are_told(texts) -> None:
    """Bounds are sizes, or a field of an instruction with a pragma that says how large it gets."""
    loops = counted = 0
    for name, text in texts.items():
        lines = text.splitlines()
        for k, line in enumerate(lines):
            if not re.search(r"\bfor \(", line):
                continue
            loops += 1
            parts = re.fullmatch(
                r"\s*for \([\w<>]+ (\w+) = [^;]+; (\w+) (?:<|>=) ([^;]+); [^;]+\) \{", line
            )
            assert parts, f"{name}: {line}"
            assert parts[1] == parts[2], f"{name}: {line}"
            if not re.fullmatch(SIZE, parts[3]):
                pragma = re.search(r"loop_tripcount max=([\w/]+)", lines[k + 1])
                assert pragma, f"{name}: {line}"
                counted += 1
    assert loops > 40
    assert counted > 8


def test_every_pragma_is_one_of_vitis_hls(texts) -> None:
    kinds = set()
    for name, text in texts.items():
        for pragma in re.findall(r"#pragma (.*)", text):
            if pragma == "once" or pragma.startswith("GCC diagnostic"):
                continue
            kind = re.fullmatch(r"HLS (\w+)( [\w=.*/]+)*", pragma)
            assert kind, (name, pragma)
            kinds.add(kind[1])
    assert kinds == {
        "array_partition", "array_reshape", "bind_storage", "dataflow", "dependence",
        "disaggregate", "inline",
        "interface", "loop_tripcount", "pipeline", "stream", "unroll",
    }  # fmt: skip


def test_every_function_says_what_it_does(texts) -> None:
    """A comment stands before every function, method and struct of the synthesizable files."""
    functions = 0
    for name, text in sources(Sizing()).items():
        lines = text.splitlines()
        assert max(map(len, lines)) <= 100 or name == "tables.hpp", name
        if name in NOT_SYNTHESISED or name == "isa.hpp":
            continue
        for k, line in enumerate(lines):
            method = METHOD.match(line)
            if method or re.match(r"(inline [^;]*\(|unsigned hwgen_top|struct |enum class)", line):
                functions += 1
                before = k - 1 - lines[k - 1].startswith("template")
                while re.match(r"    bool \w+\(\) const", lines[before]):
                    before -= 1  # of a group
                commented = lines[before].lstrip().startswith("//")
                assert commented or line.startswith("unsigned hwgen_top"), f"{name}: {line}"
    assert functions > 60


def test_no_recursion(tmp_path: Path) -> None:
    """GCC's call graph of our functions has no cycle."""
    for name, text in sources(Sizing()).items():
        (tmp_path / name).write_text(text)
    command = ["g++", "-std=c++14", "-O0", "-fcallgraph-info", "-isystem", str(ap_types()), "-c"]
    subprocess.run([*command, "hwgen_top.cpp"], cwd=tmp_path, check=True)
    graph = (tmp_path / "hwgen_top.ci").read_text()
    calls: dict[str, set[str]] = {}
    ours = re.compile(r"_ZNK?5hwgen|_Z9hwgen_top")  # mangled; the headers' functions are theirs
    for edge in re.findall(r'edge: \{ sourcename: "([^"]+)" targetname: "([^"]+)"', graph):
        caller, called = (name.rpartition(":")[2] for name in edge)
        if ours.match(caller) and ours.match(called):
            calls.setdefault(caller, set()).add(called)
    assert any("7compute" in name for name in calls)
    assert len(calls) > 20
    done: set[str] = set()

    def visit(function: str, path: tuple[str, ...]) -> None:
        assert function not in path, (*path, function)
        if function not in done:
            for called in calls.get(function, ()):
                visit(called, (*path, function))
            done.add(function)

    for function in calls:
        visit(function, ())


@pytest.mark.parametrize("name", sorted(REGISTRY))
def test_every_op_has_its_kernels(texts, name: str) -> None:
    kernels = REGISTRY[name].HLS
    assert kernels, f"{name} names no HLS kernel"
    everything = "".join(texts.values())
    for kernel in kernels:
        found = re.search(rf"\n(inline [\w<>:]+ {kernel}\(|struct {kernel} \{{)", everything)
        assert found, f"{name}: {kernel} is in no file of templates/hls"


def test_fields_are_those_of_the_instruction_set(texts) -> None:
    text = texts["isa.hpp"]
    for op, (code, _) in isa.OPCODES.items():
        assert f"constexpr unsigned OP_{op} = {code};" in text
    for op in isa.CMP_SOURCE:
        for f in isa.layout(op).values():
            if f.name in {spec.name for spec in isa.HEADER}:
                continue
            if f.width == 1:
                assert f"{f.name} = word[{f.lsb}];" in text
            else:
                assert f"ap_{'' if f.signed else 'u'}int<{f.width}> {f.name};" in text
                assert f"{f.name} = word.range({f.lsb + f.width - 1}, {f.lsb});" in text


def test_tables_are_the_golden_ones(texts) -> None:
    tables = {"EXP": exp_table(), "RSQRT": rsqrt_table()}
    for name, values in tables.items():
        kind, body = re.search(
            rf"static const (\S+) {name}\[\d+\] = \{{(.*?)\}};", texts["tables.hpp"], re.DOTALL
        ).groups()
        assert [int(v) for v in re.findall(r"-?\d+", body)] == values.tolist()
        sign, width = re.fullmatch(r"ap_(u?)int<(\d+)>", kind).groups()
        low, high = (0, 1 << int(width)) if sign else (-(1 << int(width) - 1), 1 << int(width) - 1)
        assert low <= values.min()
        assert values.max() < high


def test_same_sizes_same_bytes() -> None:
    assert sources(Sizing()) == sources(Sizing(strip_tokens=48, store_words=512))
    assert sources(Sizing()) != sources(Sizing(pk=16))
