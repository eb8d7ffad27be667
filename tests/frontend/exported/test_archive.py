"""Files of torch.export: nothing in one is ever run; what is none, or another, is told so."""

from __future__ import annotations

import io
import json
import os
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from hwgen import cli
from hwgen.errors import HwgenError
from hwgen.frontend.exported.archive import is_program, read_archive
from hwgen.frontend.files import read_file
from hwgen.frontend.load import load_network
from hwgen.frontend.options import Options
from hwgen.frontend.trace import trace
from tests.frontend.exported.programs import Members, Small, changed, edited, exported

GIVEN = Options(mean=(0.5,), std=(0.5,))
WEIGHTS = "data/weights/model_weights_config.json"
CONSTANTS = "data/constants/model_constants_config.json"
MODEL = "models/model.json"


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    return exported(Small().eval(), tmp_path_factory.mktemp("program") / "small.pt2")


@pytest.fixture
def copy(program: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.pt2").write_bytes(program.read_bytes())
    return Path("net.pt2")


def message(path: Path) -> str:
    with pytest.raises(HwgenError) as caught:
        load_network(path, GIVEN)
    assert len(caught.value.lines) == 1
    return caught.value.line.removeprefix(f"{path}: ")


def test_tensors_are_those_of_the_network(program: Path) -> None:
    torch.manual_seed(0)
    want = Small().state_dict()
    archive = read_archive(program)
    assert is_program(program)
    assert archive.weights.keys() == want.keys()
    assert all(torch.equal(v, want[k]) for k, v in archive.weights.items())
    content, sha256 = read_file(program)  # also as --weights of a network in Python
    assert content.keys() == want.keys()
    assert sha256 == archive.sha256


# ------------------------------------------------------------------------- nothing is run


class Payload:
    """Makes a folder when it is unpickled."""

    def __init__(self, folder: str) -> None:
        self.folder = folder

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (self.folder,)


def torch_pickle() -> bytes:
    stream = io.BytesIO()
    torch.save({"fc.bias": Payload("was_run")}, stream)
    return stream.getvalue()


def in_samples(members: Members) -> None:
    members["data/sample_inputs/model.pt"] = torch_pickle()


def in_all_weights(members: Members) -> None:
    members["data/weights/model.pt"] = torch_pickle()


def in_all_constants(members: Members) -> None:
    members["data/constants/model.pt"] = torch_pickle()


def in_weight(members: Members) -> None:
    edited(WEIGHTS, lambda t: t["config"]["fc.bias"].update(use_pickle=True))(members)
    path = json.loads(members[WEIGHTS])["config"]["fc.bias"]["path_name"]
    members[f"data/weights/{path}"] = torch_pickle()


def in_constant(name: str, data: Callable[[], bytes]) -> Callable[[Members], None]:
    entry = {"path_name": name, "is_param": False, "use_pickle": True, "tensor_meta": None}

    def change(members: Members) -> None:
        edited(CONSTANTS, lambda t: t["config"].update(kept=entry))(members)
        members[f"data/constants/{name}"] = data()

    return change


def plain_pickle() -> bytes:
    return pickle.dumps(Payload("was_run"))


ASKS = "asks for posix.mkdir; a program may hold tensors and plain values only; nothing was run; "
OBJECT = "holds an object of its own, kept; may hold tensors only; nothing was run; export the "
PLANTED: dict[str, tuple[Callable[[Members], None], str]] = {
    "sample inputs": (in_samples, f"data/sample_inputs/model.pt {ASKS}"),
    "all weights": (in_all_weights, f"data/weights/model.pt {ASKS}"),
    "one weight": (in_weight, f"data/weights/weight_3 {ASKS}"),
    "all constants": (in_all_constants, f"data/constants/model.pt {ASKS}"),
    "one constant": (
        in_constant("tensor_0", torch_pickle), f"data/constants/tensor_0 {ASKS}"),
    "custom object": (in_constant("custom_obj_0", torch_pickle), OBJECT),
    "opaque object": (in_constant("opaque_obj_0", plain_pickle), OBJECT),
}  # fmt: skip


@pytest.mark.parametrize("case", PLANTED)
def test_a_planted_pickle_is_refused_and_not_run(
    copy: Path, case: str, capsys: pytest.CaptureFixture[str]
) -> None:
    change, line = PLANTED[case]
    changed(copy, change)
    assert cli.main(["compile", "net.pt2", "--mean", "0.5", "--std", "0.5", "--out", "out"]) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"hwgen: error: net.pt2: {line}")
    assert error.count("\n") == 1
    assert [p.name for p in Path().iterdir()] == ["net.pt2"]


def test_the_planted_pickles_would_run(copy: Path) -> None:
    """What the test above plants does run where it is trusted."""
    torch.load(io.BytesIO(torch_pickle()), weights_only=False)
    assert Path("was_run").is_dir()
    Path("was_run").rmdir()
    pickle.loads(plain_pickle())
    assert Path("was_run").is_dir()


def test_expressions_of_sizes_are_not_evaluated(copy: Path) -> None:
    code = "__import__('os').mkdir('was_run')"
    size = {"as_expr": {"expr_str": code, "hint": {"as_int": 1}}}

    def plant(graph: Any) -> None:
        values = graph["graph_module"]["graph"]["tensor_values"]
        values["x"]["sizes"][0] = size
        values["conv2d"]["sizes"][0] = size
        graph["range_constraints"] = {code: {"min_val": 0, "max_val": 2}}
        graph["guards_code"] = [code]

    changed(copy, edited(MODEL, plant))
    assert load_network(copy, GIVEN)[1].config.classes == 3
    assert not Path("was_run").exists()


@pytest.mark.parametrize("of_the_image", [True, False])
@pytest.mark.parametrize(
    "target", ["torch.ops.aten.from_file.default", "torch.ops.other.library.default", "os.mkdir"]
)
def test_an_op_that_is_not_listed_is_never_called(
    copy: Path, target: str, of_the_image: bool
) -> None:
    """aten.from_file writes files; whatever else PyTorch has registered is not called either."""

    def plant(graph: Any) -> None:
        nodes = graph["graph_module"]["graph"]["nodes"]
        mean = next(n for n in nodes if n["target"] == "torch.ops.aten.mean.dim")
        arguments = [{"as_string": "was_run"}, {"as_bool": True}, {"as_int": 4}]
        arguments += [mean["inputs"][0]["arg"]] if of_the_image else []
        mean["target"] = target
        mean["inputs"] = [{"name": f"a{k}", "arg": a, "kind": 1} for k, a in enumerate(arguments)]

    changed(copy, edited(MODEL, plant))
    if of_the_image:
        network, info = load_network(copy, GIVEN)
        assert info.config.classes == 3
        with pytest.raises(HwgenError, match=r"^forward: \S+; supported: "):
            trace(network, (16, 16, 1))
    else:
        with pytest.raises(HwgenError, match=r"^forward: \S+ of parameters; it is not known; "):
            load_network(copy, GIVEN)
    assert not Path("was_run").exists()


# ---------------------------------------------------------------------------- other files


def without(member: str) -> Callable[[Members], None]:
    return lambda members: members.pop(member) and None


def with_schema(major: int) -> Callable[[Members], None]:
    def change(graph: Any) -> None:
        graph["schema_version"], graph["torch_version"] = {"major": major, "minor": 1}, "2.4.0"

    return edited(MODEL, change)


def replaced(member: str, data: bytes) -> Callable[[Members], None]:
    return lambda members: members.update({member: data})


def compiled(members: Members) -> None:
    members.pop(MODEL)
    members["data/aotinductor/model/code.so"] = b"x"


def weight(**values: Any) -> Callable[[Members], None]:
    return edited(WEIGHTS, lambda t: t["config"]["fc.bias"]["tensor_meta"].update(values))


VERSION = torch.__version__
AGAIN = (
    f"needs a program of torch.export; export it again with torch.export.save of PyTorch {VERSION}"
)
DAMAGED = f"its tables of weights are damaged (written by PyTorch {VERSION}); {AGAIN}"
OTHERS: dict[str, tuple[Callable[[Members], None], str]] = {
    "another schema": (
        with_schema(5),
        "was written by PyTorch 2.4.0, export schema 5; schema 8 is read; export it again with "
        f"torch.export.save of PyTorch {VERSION}"),
    "no schema": (
        edited(MODEL, lambda g: g.pop("schema_version")),
        f"was written by PyTorch {VERSION}, export schema None; schema 8 is read; export it again "
        f"with torch.export.save of PyTorch {VERSION}"),
    "no graph": (
        without(MODEL), "holds 0 programs; needs one network; save it alone with "
        "torch.export.save"),
    "compiled": (
        compiled, "is compiled code (AOTInductor); needs the program itself; save what "
        "torch.export.export gives with torch.export.save"),
    "graph that is no JSON": (
        replaced(MODEL, b"{"), f"{MODEL} is no JSON table; needs a graph; export it again with "
        "torch.export.save"),
    "graph in another form": (
        edited(MODEL, lambda g: g.pop("graph_module")),
        f"its graph has a form that is not known (written by PyTorch {VERSION}); {AGAIN}"),
    "no table of weights": (
        without(WEIGHTS), f"has no {WEIGHTS}; needs all of its parts; export it again with "
        "torch.export.save"),
    "a weight is missing": (
        edited(WEIGHTS, lambda t: t["config"].pop("fc.bias")),
        f"it has no values of fc.bias (written by PyTorch {VERSION}); {AGAIN}"),
    "a weight is too short": (
        replaced("data/weights/weight_3", b"1234"),
        DAMAGED),
    "a weight of half a number": (
        replaced("data/weights/weight_3", b"123"),
        DAMAGED),
    "a weight of another type": (
        weight(dtype=99),
        DAMAGED),
    "big-endian": (
        replaced("byteorder", b"big"),
        f"its weights are big-endian (written by PyTorch {VERSION}); {AGAIN}"),
    "damaged sample inputs": (
        replaced("data/sample_inputs/model.pt", b"x"),
        "data/sample_inputs/model.pt cannot be read; needs all of its parts; export it again with "
        "torch.export.save"),
}  # fmt: skip


@pytest.mark.parametrize("case", OTHERS)
def test_one_line_for_another_or_a_damaged_program(copy: Path, case: str) -> None:
    change, line = OTHERS[case]
    assert message(changed(copy, change)) == line


def test_a_weight_that_repeats_one_value_into_gigabytes(copy: Path) -> None:
    sizes, strides = [{"as_int": 1 << 30}], [{"as_int": 0}]
    line = message(changed(copy, weight(sizes=sizes, strides=strides)))
    assert line == (
        "fc.bias: (1073741824,) of 3 stored values; the values of a weight lie in the file; save "
        "tensor.contiguous()"
    )


def test_a_program_of_an_old_pytorch(tmp_path: Path) -> None:
    path = tmp_path / "old.pt2"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("version", b"5.3")
        file.writestr("serialized_exported_program.json", b"{}")
    assert message(path) == (
        "is a program of PyTorch before 2.8; export it again with torch.export.save"
    )


def test_a_cut_file(copy: Path) -> None:
    copy.write_bytes(copy.read_bytes()[:4000])
    assert not is_program(copy)
    assert message(copy).startswith("4000 bytes, its end is missing; ")


def test_a_damaged_weight(copy: Path) -> None:
    with zipfile.ZipFile(copy) as file:
        bias = file.read("small/data/weights/weight_0")
    damaged = copy.read_bytes().replace(bias[:32], bytes(32), 1)
    copy.write_bytes(damaged)
    assert message(copy) == (
        f"{len(damaged)} bytes that cannot be read or fail their checksum; needs a program of "
        "torch.export; check that the file is complete"
    )
