"""Checkpoint files as users save them: what loads to the same weights, what is refused by name."""

from __future__ import annotations

import argparse
import collections
import datetime
import json
import pathlib
import zipfile
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from hwgen import zoo
from hwgen.errors import CheckpointError
from hwgen.frontend.checkpoint import Options, load_checkpoint

State = dict[str, Tensor]
STEM = "vit.embeddings.patch_embeddings.norm"


@pytest.fixture(scope="module")
def state() -> State:
    torch.manual_seed(0)
    network = zoo.create("bhvit_micro", channels=(4, 8, 16, 32), head_dim=16, classes=3)
    return {k: v.half().float() if v.is_floating_point() else v
            for k, v in network.state_dict().items()}  # fmt: skip


@pytest.fixture
def file(tmp_path) -> pathlib.Path:
    return tmp_path / "net.pt"


def floats(state: State, dtype: torch.dtype) -> State:
    return {k: v.to(dtype) if v.is_floating_point() else v for k, v in state.items()}


def prefixed(prefix: str) -> Callable[[State], Any]:
    return lambda state: {prefix + k: v for k, v in state.items()}


def beside(**values: Any) -> Callable[[State], Any]:
    return lambda state: {"model": state, **values}


def under(name: str) -> Callable[[State], Any]:
    return lambda state: {name: state, "epoch": 3}


def counters(change: Callable[[Tensor], Tensor]) -> Callable[[State], Any]:
    return lambda s: {k: change(v) if k.endswith("num_batches_tracked") else v
                      for k, v in s.items()}  # fmt: skip


def profiled(state: State) -> Any:
    zero = torch.zeros(1, dtype=torch.float64)
    inner = {**state, "vit.total_ops": zero, "vit.encoder.total_params": zero}
    return {"total_ops": zero, "total_params": zero} | prefixed("module.")(inner)


def ordered(state: State) -> Any:
    content = collections.OrderedDict(state)
    content._metadata = {"": {"version": 1}}
    return content


ACCEPTED: dict[str, Callable[[State], Any]] = {
    "module": prefixed("module."),
    "compiled": prefixed("_orig_mod."),
    "both": lambda s: {"model": prefixed("module._orig_mod.")(s)},
    "lightning": lambda s: {"state_dict": prefixed("model.net.")(s), "hyper_parameters": {"lr": 1}},
    "nested": lambda s: {"model": {"state_dict": s}},
    "model_state_dict": under("model_state_dict"),
    "net": under("net"),
    "numpy": beside(
        best=np.float64(68.4), n=np.int32(3), old=np.float32(1), big=np.dtype(">f8").type(2)
    ),
    "path": beside(args=argparse.Namespace(out=pathlib.Path("logs/1"))),
    "windows path": beside(args=argparse.Namespace(out=pathlib.PureWindowsPath("C:/logs"))),
    "date": beside(at=datetime.datetime(2026, 1, 1), took=datetime.timedelta(3)),
    "dtype": beside(args=argparse.Namespace(dtype=torch.bfloat16, device=torch.device("cpu"))),
    "ordered": ordered,
    "best tensor": beside(best=torch.tensor(65.5), optimizer={}),
    "half": lambda s: floats(s, torch.float16),
    "double": lambda s: floats(s, torch.float64),
    "int32 counters": counters(lambda v: v.int()),
    "float counters": counters(lambda v: v.float()),
    "no counters": lambda s: {k: v for k, v in s.items() if not k.endswith("num_batches_tracked")},
    "no flags": lambda s: {k: v for k, v in s.items() if not k.endswith("init_state")},
    "profiled": profiled,
    "averaged model": lambda s: {"n_averaged": torch.tensor(3)} | prefixed("module.")(s),
}


def same_weights(loaded: State, state: State) -> bool:
    training = ("num_batches_tracked", "init_state")
    return all(torch.equal(loaded[k], v) for k, v in state.items() if not k.endswith(training))


@pytest.mark.parametrize("case", ACCEPTED)
def test_accepted(file, state, case):
    torch.save(ACCEPTED[case](state), file)
    model, info = load_checkpoint(file)
    assert same_weights(model.state_dict(), state)
    assert info.weights == ""


@pytest.mark.parametrize("name", ["n.pth.tar", "n", "n.ckpt", "ünï cöde 模型 (1).pt", "q'$.pt"])
def test_names(tmp_path, state, name):
    torch.save(state, tmp_path / name, _use_new_zipfile_serialization=name != "n")
    assert same_weights(load_checkpoint(tmp_path / name)[0].state_dict(), state)


def test_bfloat16(file, state):
    torch.save(floats(state, torch.bfloat16), file)
    want = floats(floats(state, torch.bfloat16), torch.float32)
    assert same_weights(load_checkpoint(file)[0].state_dict(), want)


def test_folder_of_a_hub(tmp_path, state):
    (tmp_path / "config.json").write_text(json.dumps({"image_size": 96}))
    torch.save(state, tmp_path / "pytorch_model.bin")
    model, info = load_checkpoint(tmp_path)
    assert same_weights(model.state_dict(), state)
    assert info.path == tmp_path


def test_safetensors(tmp_path, state):
    library = pytest.importorskip("safetensors.torch")
    library.save_file(state, tmp_path / "model.safetensors")
    for path in (tmp_path, tmp_path / "model.safetensors"):
        assert same_weights(load_checkpoint(path)[0].state_dict(), state)
    content = (tmp_path / "model.safetensors").read_bytes()
    (tmp_path / "cut.safetensors").write_bytes(content[:-5])
    assert message(tmp_path / "cut.safetensors") == (
        f"{len(content) - 5} bytes that cannot be read or fail their checksum; "
        "needs a file written by safetensors; check that the file is complete"
    )


def test_safetensors_without_the_library(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "safetensors", None)
    path = tmp_path / "n.safetensors"
    path.write_bytes(b'\x02\0\0\0\0\0\0\0{"')
    assert message(path) == (
        "is a safetensors file; needs the safetensors library; pip install 'hwgen[safetensors]'"
    )


def message(path: pathlib.Path, options: Options | None = None) -> str:
    with pytest.raises(CheckpointError) as error:
        load_checkpoint(path, options)
    text = str(error.value)
    assert "\n" not in text
    assert text.startswith(f"{path}: ")
    return text.removeprefix(f"{path}: ")


# ------------------------------------------------------------------------ averaged weights


def shifted(state: State) -> State:
    return {k: v + 1e-3 if v.is_floating_point() else v for k, v in state.items()}


@pytest.mark.parametrize(
    ("plain", "mean"), [("model", "model_ema"), ("state_dict", "state_dict_ema"), ("net", "ema")]
)
def test_averaged_weights(file, state, plain, mean):
    torch.save({plain: state, mean: prefixed("module.")(shifted(state))}, file)
    model, info = load_checkpoint(file)
    assert same_weights(model.state_dict(), state)
    assert info.lines()[0] == (
        f"weights     {plain!r}; averaged ones lie under {mean!r} (--ema takes them)"
    )
    model, info = load_checkpoint(file, Options(ema=True))
    assert same_weights(model.state_dict(), shifted(state))
    assert info.weights == f"the averaged ones, {mean!r} (--ema), not {plain!r}"


def test_averaged_weights_alone(file, state):
    torch.save({"model_ema": state}, file)
    for options in (Options(), Options(ema=True)):
        info = load_checkpoint(file, options)[1]
        assert info.weights == "the averaged ones, 'model_ema': there are no others"


def test_no_averaged_weights(file, state):
    torch.save({"model": state}, file)
    assert message(file, Options(ema=True)) == (
        "holds no averaged weights; "
        "--ema needs them under 'model_ema', 'state_dict_ema' or 'ema'; leave --ema out"
    )


# -------------------------------------------------------------------------------- refused

PYTORCH = (
    "needs the state dict of a PyTorch network; "
    "save model.state_dict() with torch.save where the network was trained"
)
BYTES: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "is empty (0 bytes); needs trained weights; download or save it again"),
    "lfs": (
        b"version https://git-lfs.github.com/spec/v1\noid sha256:01\nsize 2220\n",
        "is a Git LFS pointer, not the file of 2220 bytes itself; needs trained weights; "
        "run git lfs pull",
    ),
    "html": (
        b"<!DOCTYPE html><html><title>Virus scan warning</title>",
        "is a web page (HTML); needs trained weights; download the file that the page links to",
    ),
    "onnx": (b"\x08\x07\x12\x07pytorch\x1a\x052.1.0:\x00", f"is an ONNX model; {PYTORCH}"),
    "qonnx": (b"\x08\x07\x12\x05qonnx:\x00", f"is a QONNX model; {PYTORCH}"),
    "keras": (b"\x89HDF\r\n", f"is an HDF5 file (Keras); {PYTORCH}"),
    "numpy": (b"\x93NUMPY\x01\x00", f"is a NumPy array; {PYTORCH}"),
    "zip without end": (
        b"PK\x03\x04 broken",
        "11 bytes, its end is missing; needs a file written by torch.save; "
        "download or copy it again",
    ),
}


@pytest.mark.parametrize("case", BYTES)
def test_other_files(file, case):
    content, want = BYTES[case]
    file.write_bytes(content)
    assert message(file) == want


ARCHIVES = {
    "n/constants.pkl": "a TorchScript archive, a compiled network",
    "x.npy": "a NumPy archive (.npz)",
}


@pytest.mark.parametrize("member", ARCHIVES)
def test_other_archives(file, member):
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(member, b"x")
    assert message(file) == f"is {ARCHIVES[member]}; {PYTORCH}"


def test_torchscript(file):
    torch.jit.script(torch.nn.Linear(2, 3)).save(str(file))
    assert message(file) == f"is a TorchScript archive, a compiled network; {PYTORCH}"


def test_folders_without_weights(tmp_path):
    assert message(tmp_path) == (
        "is a folder; needs model.safetensors or pytorch_model.bin in it; give the checkpoint file"
    )
    (tmp_path / "model.safetensors.index.json").write_text("{}")
    assert message(tmp_path) == (
        "a folder with weights in several files (model.safetensors.index.json); "
        "needs model.safetensors or pytorch_model.bin in it; save the weights in one file"
    )


def test_two_networks(file, state):
    torch.save({"model": state, "state_dict": state}, file)
    assert message(file) == (
        "holds weights under 'state_dict' and 'model'; needs one network; "
        "save the one that is meant as model.state_dict()"
    )


DENSE = "needs a dense tensor of real numbers; save it as float32"
BIG = 1 << 40
TENSORS: dict[str, tuple[Callable[[], Tensor], str]] = {
    "float8": (lambda: torch.ones(4).to(torch.float8_e4m3fn), f"torch.float8_e4m3fn; {DENSE}"),
    "complex": (lambda: torch.ones(4, dtype=torch.complex64), f"torch.complex64; {DENSE}"),
    "sparse": (
        lambda: torch.ones(4).to_sparse(),
        f"a sparse tensor (torch.sparse_coo); {DENSE}",
    ),
    "meta": (
        lambda: torch.ones(4, device="meta"),
        f"a tensor on the meta device, without values; {DENSE}",
    ),
    "terabytes": (
        lambda: torch.ones(1).expand(BIG),
        f"({BIG},) of 1 stored value; the values of a weight lie in the file; "
        "save tensor.contiguous()",
    ),
    "terabytes of nothing": (
        lambda: torch.ones(1).expand(BIG, 1).narrow(0, 0, BIG).t(),
        f"(1, {BIG}) of 1 stored value; the values of a weight lie in the file; "
        "save tensor.contiguous()",
    ),
}


@pytest.mark.parametrize("case", TENSORS)
def test_strange_tensors(file, state, case):
    make, want = TENSORS[case]
    torch.save({**state, f"{STEM}.weight": make()}, file)
    assert message(file) == f"{STEM}.weight: {want}"


def test_nested_tensor(file, state):
    nested = torch.nested.nested_tensor([torch.ones(2), torch.ones(3)])
    torch.save({**state, f"{STEM}.weight": nested}, file)
    assert message(file) == f"{STEM}.weight: a nested tensor; {DENSE}"


def test_repeated_values_are_copied(file, state):
    torch.save({**state, f"{STEM}.weight": torch.ones(1).expand(4)}, file)
    model, _ = load_checkpoint(file)
    assert model.state_dict()[f"{STEM}.weight"].stride() == (1,)


@pytest.mark.parametrize(
    ("key", "shown"), [("", "''"), ("a\nb", r"'a\nb'"), ("x" * 200, "x" * 97 + "...")]
)
def test_odd_keys(file, state, key, shown):
    torch.save({**state, key: torch.ones(1)}, file)
    assert message(file).startswith(f"1 unexpected key: {shown}; ")


def test_keys_that_are_no_strings(file, state):
    torch.save({**state, 3: torch.ones(1)}, file)
    assert message(file) == (
        "has the key 3; the keys of a state dict are strings; save model.state_dict()"
    )


def test_negative_variance(file, state):
    torch.save({**state, f"{STEM}.running_var": torch.tensor([1.0, 1, -0.5, 1])}, file)
    assert message(file) == (
        f"{STEM}.running_var: -0.5; a variance is not negative; use an earlier checkpoint"
    )


def test_doubles_too_large_for_float32(file, state):
    large = torch.full((4,), 1e300, dtype=torch.float64)
    torch.save({**state, f"{STEM}.weight": large}, file)
    assert message(file).startswith(f"1 NaN or infinite key: {STEM}.weight (4 of 4 values); ")
