"""Checkpoints: what loads, and one pinned line for each way in which a file can be wrong."""

from __future__ import annotations

import argparse
import hashlib
import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from hwgen import zoo
from hwgen.errors import CheckpointError
from hwgen.frontend.checkpoint import load_checkpoint
from hwgen.zoo.config import IMAGENET_MEAN

State = dict[str, Tensor]
QUERY = "vit.encoder.layerB.0.attention.attention.query.weight"
HIDDEN = "vit.encoder.layerA.0.intermediate.dense.weight"
WHOLE = "check that all parts of the checkpoint belong to one BHViT"
FOREIGN = "give a state dict with the keys of the released BHViT"
DAMAGED = (
    "bytes that cannot be read or fail their checksum; needs a file written by torch.save; "
    "check that the file is complete"
)
REFUSED = (
    "a checkpoint may hold tensors and plain values only; nothing was run; "
    "save it again as torch.save(model.state_dict(), ...)"
)


@pytest.fixture(scope="module")
def network() -> zoo.BHViT:
    torch.manual_seed(0)
    return zoo.create("bhvit_micro", channels=(4, 8, 16, 32), head_dim=16, classes=3)


@pytest.fixture
def state(network) -> State:
    return {key: value.clone() for key, value in network.state_dict().items()}


@pytest.fixture
def file(tmp_path) -> Path:
    return tmp_path / "net.pt"


def message(file: Path) -> str:
    with pytest.raises(CheckpointError) as error:
        load_checkpoint(file)
    text = str(error.value)
    assert "\n" not in text
    assert text.startswith(f"{file}: ")
    return text.removeprefix(f"{file}: ")


def test_bare_state_dict(file, state, network):
    torch.save(state, file)
    model, info = load_checkpoint(file)
    assert not model.training
    assert info.sha256 == hashlib.sha256(file.read_bytes()).hexdigest()
    assert info.config == network.config
    assert info.mean == IMAGENET_MEAN
    assert info.meta == {}
    x = torch.randn(1, 3, 96, 96, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        assert torch.equal(model(x), network.eval()(x))
    network.train()
    assert all(p.requires_grad and p.device.type == "cpu" for p in model.parameters())


def test_training_checkpoint_with_a_namespace(file, state):
    optimizer = torch.optim.AdamW([torch.nn.Parameter(torch.ones(2))])
    args = argparse.Namespace(lr=5e-4, model="BHViT", sizes=[1, 2], resume=None)
    content = {"model": state, "optimizer": optimizer.state_dict(), "epoch": 3, "args": args}
    torch.save(content, file)
    assert load_checkpoint(file)[1].meta == {}


def test_hwgen_entry(file, state):
    meta = {"mean": [0.5, 0.4, 0.3], "std": [0.5, 0.5, 0.5], "class_names": ["a", "b", "c"]}
    torch.save({"model": state, "hwgen": meta}, file)
    info = load_checkpoint(file)[1]
    assert info.mean == (0.5, 0.4, 0.3)
    assert info.std == (0.5, 0.5, 0.5)
    assert info.class_names == ("a", "b", "c")
    meta["std"] = [0.5, 0.0, 0.5]
    torch.save({"model": state, "hwgen": meta}, file)
    with pytest.raises(CheckpointError, match=r"hwgen.std: \[0.5, 0.0, 0.5\]; needs 3 positive"):
        load_checkpoint(file)


def test_half_precision_becomes_float32(file, state):
    half = {k: v.half() if v.is_floating_point() else v for k, v in state.items()}
    torch.save(half, file)
    model, _ = load_checkpoint(file)
    assert {p.dtype for p in model.parameters()} == {torch.float32}


def test_missing_file(file):
    assert message(file) == "No such file or directory; needs a file; give a checkpoint (.pt)"


def test_no_checkpoint(file):
    file.write_bytes(b"hello")
    assert message(file) == f"5 {DAMAGED}"


def test_truncated_and_flipped(file, state):
    torch.save(state, file)
    good = file.read_bytes()
    file.write_bytes(good[: len(good) // 2])
    assert message(file) == (
        f"{len(good) // 2} bytes, its end is missing; needs a file written by torch.save; "
        "download or copy it again"
    )
    start = good.index(state[QUERY].numpy().tobytes())
    file.write_bytes(good[:start] + bytes([good[start] ^ 1]) + good[start + 1 :])
    assert message(file) == f"{len(good)} {DAMAGED}"


class Touch:
    """Unpickling this creates a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return (os.system, (f"touch {self.path}",))


def test_pickles_that_run_code_are_refused(file, state, tmp_path):
    trap = tmp_path / "trap"
    want = f"its pickle asks for {os.name}.system; {REFUSED}"
    for content in ({"model": state, "epoch": Touch(trap)}, Touch(trap)):
        torch.save(content, file)
        assert message(file) == want
    for protocol in (0, 2, 4):
        file.write_bytes(pickle.dumps(Touch(trap), protocol=protocol))
        assert message(file) == want
    assert not trap.exists()


def test_whole_models_are_refused(file, network):
    torch.save(network, file)
    assert message(file) == (
        "is a whole pickled network (hwgen.zoo.bhvit.BHViT); "
        "a checkpoint may hold tensors and plain values only; nothing was run; "
        "load it where its code is and save model.state_dict() with torch.save"
    )
    for content in ({"model": network}, argparse.Namespace(model=network)):
        torch.save(content, file)
        assert message(file) == f"its pickle asks for hwgen.zoo.bhvit.BHViT; {REFUSED}"


@pytest.mark.parametrize(
    ("content", "kind"), [(3, "int"), ({}, "dict"), ({"a": 1}, "dict"), ({"model": {}}, "dict")]
)
def test_content_that_is_no_state_dict(file, content, kind):
    torch.save(content, file)
    assert message(file) == (
        f"holds {kind} with 0 tensors; needs a dict of tensors, or one under 'state_dict', "
        "'model', 'model_state_dict' or 'net'; save model.state_dict()"
    )


def drop_norms(state: State) -> None:
    for key in [k for k in state if k.startswith("vit.layernorm.")]:
        del state[key]


def spoil(key: str, value: Any) -> Callable[[State], None]:
    return lambda state: state.__setitem__(key, value)


def poison(state: State) -> None:
    state["classifier.bias"][1] = float("nan")
    state[QUERY][0, :5] = float("inf")


FAULTS: dict[str, tuple[Callable[[State], None], str]] = {
    "missing": (
        drop_norms,
        "4 missing keys: vit.layernorm.weight, vit.layernorm.bias, vit.layernorm.running_mean "
        f"and 1 more; this architecture has 505 keys; {WHOLE}",
    ),
    "one bias": (
        lambda state: state.pop("vit.encoder.layerA.0.GC.cov1.bias"),
        "1 missing key: vit.encoder.layerA.0.GC.cov1.bias; this architecture has 505 keys; "
        f"{WHOLE}",
    ),
    "one shift": (
        lambda state: state.pop("vit.encoder.patch_embed1.move"),
        f"1 missing key: vit.encoder.patch_embed1.move; this architecture has 505 keys; {WHOLE}",
    ),
    "unexpected": (
        spoil("head.weight", torch.ones(2)),
        f"1 unexpected key: head.weight; this architecture has 505 keys; {WHOLE}",
    ),
    "shape": (
        spoil(QUERY, torch.ones(16, 15)),
        f"1 wrongly shaped key: {QUERY}; {QUERY} is (16, 15), needs (16, 16); {WHOLE}",
    ),
    "integers": (
        spoil("classifier.bias", torch.ones(3, dtype=torch.int64)),
        "classifier.bias: torch.int64, torch.strided; needs a dense tensor of real numbers; "
        "save it as float32",
    ),
    "not finite": (
        poison,
        f"2 NaN or infinite keys: {QUERY} (5 of 256 values), classifier.bias (1 of 3 values); "
        "all weights must be finite; use an earlier checkpoint",
    ),
    "blocks": (
        lambda state: [state.pop(k) for k in list(state) if ".layerB.1." in k],
        "state_dict: vit.encoder.layerB: has blocks 0, 2; needs blocks 0, 1, ... of two stages; "
        f"{FOREIGN}",
    ),
    "hidden": (
        spoil(HIDDEN, torch.ones(10, 3)),
        f"state_dict: {HIDDEN}: has shape (10, 3); needs 4 then 8 columns and a multiple of them "
        f"as rows; {FOREIGN}",
    ),
    "no stem": (
        lambda state: state.pop("vit.embeddings.patch_embeddings.proj.weight"),
        "state_dict: vit.embeddings.patch_embeddings.proj.weight: is missing; "
        f"the sizes are read from it; {FOREIGN}",
    ),
    "window": (
        spoil("vit.embeddings.position_embeddings", torch.ones(1, 4, 16, 16)),
        "config.window: 2; must be odd; use 3",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_faulty_state_dicts(file, state, fault):
    change, want = FAULTS[fault]
    change(state)
    torch.save(state, file)
    assert message(file) == want


@pytest.fixture(scope="module")
def binary_network() -> zoo.BinaryViT:
    torch.manual_seed(0)
    return zoo.create("binaryvit_micro", channels=(4, 8, 16), classes=3)


def test_binaryvit(file, binary_network):
    torch.save({"model": binary_network.state_dict()}, file)
    model, info = load_checkpoint(file)
    assert info.config == binary_network.config
    x = torch.randn(1, 3, 48, 48, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        assert torch.equal(model(x), binary_network.eval()(x))


def drop_pooling(state: State) -> None:
    for key in [k for k in state if ".layer.1.layerscale_h3" in k]:
        del state[key]


ONE_BINARYVIT = WHOLE.replace("BHViT", "BinaryViT")
BINARYVIT_FOREIGN = FOREIGN.replace("BHViT", "BinaryViT")
BINARYVIT_FAULTS: dict[str, tuple[Callable[[State], None], str]] = {
    "one branch": (
        drop_pooling,
        "2 missing keys: vit.encoder.layer.1.layerscale_h3.alpha, "
        f"vit.encoder.layer.1.layerscale_h3.move; this architecture has 349 keys; {ONE_BINARYVIT}",
    ),
    "clip": (
        spoil("vit.encoder.layer.0.attention.attention.att_prob_clip", torch.ones(1)),
        "1 wrongly shaped key: vit.encoder.layer.0.attention.attention.att_prob_clip; "
        "vit.encoder.layer.0.attention.attention.att_prob_clip is (1,), needs (); "
        f"{ONE_BINARYVIT}",
    ),
    "blocks": (
        lambda state: [state.pop(k) for k in list(state) if ".layer.1." in k],
        "state_dict: vit.encoder.layer: has blocks 0, 2; needs blocks 0, 1, ... of three stages; "
        f"{BINARYVIT_FOREIGN}",
    ),
    "positions": (
        spoil("vit.embeddings.position_embeddings", torch.ones(1, 143, 4)),
        "state_dict: vit.embeddings.position_embeddings: has 143 tokens; needs a square grid; "
        f"{BINARYVIT_FOREIGN}",
    ),
    "both": (
        spoil("vit.encoder.layerA.0.GC.cov1.bias", torch.ones(4)),
        "state_dict: has blocks of a BHViT (layerA) and of a BinaryViT (layer); "
        "needs one network; check that all parts of the checkpoint belong together",
    ),
}


@pytest.mark.parametrize("fault", BINARYVIT_FAULTS)
def test_faulty_binaryvit_state_dicts(file, binary_network, fault):
    state = dict(binary_network.state_dict())
    change, want = BINARYVIT_FAULTS[fault]
    change(state)
    torch.save(state, file)
    assert message(file) == want


def test_weights_of_the_other_family_than_stated(file, network, binary_network):
    for mine, other in ((network, binary_network), (binary_network, network)):
        meta = {"config": other.config.to_dict()}
        torch.save({"model": mine.state_dict(), "hwgen": meta}, file)
        assert message(file) == (
            f"its hwgen entry states a {other.config.family}; "
            f"its weights are a {mine.config.family}; "
            "give the checkpoint that was meant, or correct the entry"
        )


STATED = {
    "image size": ({"config": {"image_size": 224, "patch": 4}}, "image_size 224", "image_size 96"),
    "classes": ({"config": {"classes": 1000}}, "classes 1000", "classes 3"),
    "variant": (
        {"config": {"variant": "paper", "binary_downsampling": False}},
        "binary_downsampling False, variant paper",
        "binary_downsampling True, variant released",
    ),
    "names": ({"class_names": ["cat", "dog"]}, "classes 2 (class_names)", "classes 3"),
}


@pytest.mark.parametrize("case", STATED)
def test_weights_for_another_network_than_stated(file, state, case):
    meta, stated, found = STATED[case]
    torch.save({"model": state, "hwgen": meta}, file)
    assert message(file) == (
        f"its hwgen entry states {stated}; its weights are for {found}; "
        "give the checkpoint that was meant, or correct the entry"
    )
