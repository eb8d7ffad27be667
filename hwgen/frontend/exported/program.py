"""The JSON graph of a `torch.export` program -> its calls, in order."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from hwgen.errors import HwgenError, UnsupportedOpError
from hwgen.frontend.exported.archive import DTYPES, Archive

Shape = tuple[int, ...]
POSITIONAL = 1
NAMESPACES = ("torch.ops.", "_operator.", "math.")
TRAINING = {"aten.batch_norm": 5, "aten.dropout": 2, "aten.feature_dropout": 2,
            "aten.alpha_dropout": 2}  # place of the flag among the operands  # fmt: skip


@dataclass(frozen=True)
class Name:
    """A value of the graph, by its name."""

    name: str


@dataclass(frozen=True)
class Call:
    """op: "aten.conv2d", without its overload; place: the module path in which it was called;
    visit: the same, another one each time that a module is called.

    outputs: the names of its results, each one, or a list of them, or None.
    """

    op: str
    overload: str
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    outputs: tuple[Any, ...]
    place: str
    visit: str


@dataclass(frozen=True)
class Graph:
    """Calls in order. inputs: names of what it is given; shapes, dtypes: of every tensor, on the
    images that it was exported with."""

    inputs: tuple[str, ...]
    calls: tuple[Call, ...]
    output: Any
    shapes: dict[str, Shape]
    dtypes: dict[str, torch.dtype]


@dataclass(frozen=True)
class Program:
    """A network of one image (B, channels, H, W).

    name: class of the network that was exported. weights: graph names -> names of its tensors;
    parameters, state: those of `weights` that are parameters, that a state dict has. fixed: which
    sizes of the image are. classes: module paths -> names of their classes.
    """

    name: str
    image: str
    weights: dict[str, str]
    parameters: frozenset[str]
    state: frozenset[str]
    graph: Graph
    fixed: tuple[bool, ...]
    classes: dict[str, str]

    @property
    def image_shape(self) -> Shape:
        """(batch, channels, height, width) that it was exported with."""
        return self.graph.shapes[self.image]


def parse(archive: Archive) -> Program:
    """The program of an archive.

    Raises: CheckpointError for a damaged graph; UnsupportedOpError for several inputs, a network
    in training mode, one that changes its buffers.
    """
    try:
        return _parse(archive)
    except HwgenError:
        raise
    except (KeyError, TypeError, AttributeError, ValueError, IndexError, RecursionError):
        raise archive.damaged("its graph has a form that is not known") from None


def _parse(archive: Archive) -> Program:
    module = archive.graph["graph_module"]
    graph, signature = module["graph"], module["signature"]
    values = graph["tensor_values"]
    weights: dict[str, str] = {}
    parameters, state, images = set(), set(), []
    for spec in signature["input_specs"]:
        ((kind, inner),) = spec.items()
        if kind == "user_input":
            ((what, value),) = inner["arg"].items()
            if what != "as_tensor":
                raise _inputs(archive, f"an input of {what.removeprefix('as_')}")
            images.append(value["name"])
        elif kind in ("parameter", "buffer", "tensor_constant"):
            name = inner[f"{kind}_name"]
            if name not in archive.tensors:
                raise archive.damaged(f"it has no values of {name}")
            weights[inner["arg"]["name"]] = name
            parameters |= {name} if kind == "parameter" else set()
            state |= {name} if kind == "parameter" or inner.get("persistent") else set()
        elif kind != "constant_input":
            raise _inputs(archive, f"an input of {kind}")
    sizes = [len(values[name]["sizes"]) for name in images]
    if sizes != [4]:
        raise _inputs(archive, f"{len(sizes)} inputs of {', '.join(map(str, sizes))} axes")
    calls = _graph(graph)
    _refuse_training(archive, calls, signature["output_specs"])
    stacks = [n["metadata"].get("nn_module_stack", "") for n in graph["nodes"]]
    fixed = tuple("as_int" in size for size in values[images[0]]["sizes"])
    return Program(
        _class(stacks), images[0], weights, frozenset(parameters), frozenset(state), calls, fixed,
        _classes(stacks),
    )  # fmt: skip


def _inputs(archive: Archive, what: str) -> UnsupportedOpError:
    return UnsupportedOpError(
        f"{archive.path}", what, "a network has one image (B, channels, H, W)",
        "export one that takes the image alone",
    )  # fmt: skip


def _refuse_training(archive: Archive, graph: Graph, outputs: list[Any]) -> None:
    for call in graph.calls:
        place = TRAINING.get(call.op, len(call.args))
        if call.args[place:] and call.args[place] is True:
            raise UnsupportedOpError(
                f"{archive.path}: {call.place or 'forward'}", f"{call.op} in training mode",
                "a network is exported in eval mode",
                "call network.eval() before torch.export.export",
            )  # fmt: skip
    written = [spec["buffer_mutation"] for spec in outputs if "buffer_mutation" in spec]
    if written:
        raise UnsupportedOpError(
            f"{archive.path}", f"it writes its buffer {written[0].get('buffer_name', '')}",
            "a network keeps no state", "export one whose forward writes nothing",
        )  # fmt: skip


# -------------------------------------------------------------------------------------- calls


def _graph(graph: dict[str, Any]) -> Graph:
    values = graph["tensor_values"]
    outputs = [_argument(o) for o in graph["outputs"]]
    return Graph(
        tuple(i.name for i in map(_argument, graph["inputs"]) if isinstance(i, Name)),
        tuple(map(_call, graph["nodes"])),
        outputs[0] if len(outputs) == 1 else tuple(outputs),
        {name: tuple(map(_size, meta["sizes"])) for name, meta in values.items()},
        {name: DTYPES[meta["dtype"]] for name, meta in values.items()},
    )


def _call(node: dict[str, Any]) -> Call:
    target = node["target"]
    space = next((s for s in NAMESPACES if target.startswith(s)), "")
    op, overload = target.removeprefix("torch.ops."), ""
    if space == "torch.ops." and op.count(".") > 1:
        op, overload = op.rsplit(".", 1)
    args = tuple(_argument(a["arg"]) for a in node["inputs"] if _positional(a))
    kwargs = {a["name"]: _argument(a["arg"]) for a in node["inputs"] if not _positional(a)}
    visit = _visit(node["metadata"].get("nn_module_stack", ""))
    outputs = tuple(map(_output, node["outputs"]))
    return Call(op, overload, args, kwargs, outputs, path_of(visit), visit)


def _positional(argument: dict[str, Any]) -> bool:
    return argument.get("kind", POSITIONAL) in (POSITIONAL, None)


def _argument(argument: dict[str, Any]) -> Any:
    """A plain value, `Name`s in it for values of the graph."""
    ((kind, value),) = argument.items()
    return _ARGUMENTS[kind](value)


def _output(argument: dict[str, Any]) -> Any:
    """The name of a result, a list of them, or None."""
    ((kind, value),) = argument.items()
    if kind == "as_none":
        return None
    found = _ARGUMENTS[kind](value)
    return [n.name for n in found] if isinstance(found, list) else found.name


def _symbol(value: dict[str, Any]) -> Any:
    ((kind, inner),) = value.items()
    return Name(inner) if kind == "as_name" else inner


def _optional(value: dict[str, Any]) -> Any:
    return Name(value["as_tensor"]["name"]) if "as_tensor" in value else None


def _list_of(read: Callable[[Any], Any]) -> Callable[[list[Any]], list[Any]]:
    return lambda values: [read(v) for v in values]


def _named(value: dict[str, Any]) -> Name:
    return Name(value["name"])


_ARGUMENTS: dict[str, Callable[[Any], Any]] = {
    "as_none": lambda value: None,
    "as_tensor": _named,
    "as_tensors": _list_of(_named),
    "as_optional_tensor": _optional,
    "as_optional_tensors": _list_of(_optional),
    "as_int": int,
    "as_ints": _list_of(int),
    "as_float": float,
    "as_floats": _list_of(float),
    "as_bool": bool,
    "as_bools": _list_of(bool),
    "as_string": str,
    "as_strings": _list_of(str),
    "as_sym_int": _symbol,
    "as_sym_ints": _list_of(_symbol),
    "as_sym_float": _symbol,
    "as_sym_bool": _symbol,
    "as_scalar_type": lambda value: DTYPES[value],
    "as_device": lambda value: torch.device("cpu"),
    "as_layout": lambda value: torch.strided,
    "as_memory_format": lambda value: torch.contiguous_format,
    "as_graph": lambda value: _graph(value["graph"]),
    "as_operator": str,
}  # others are of no network of images


def _size(size: dict[str, Any]) -> int:
    """A size, or that of the example where it is not fixed; its expression is never evaluated."""
    if "as_int" in size:
        return int(size["as_int"])
    return int(size["as_expr"]["hint"]["as_int"])


def _visit(stack: str) -> str:
    """The innermost module path of `KEY,PATH,CLASS;..`; a module called again has PATH@1."""
    return stack.rsplit(";", 1)[-1].split(",")[1] if stack.count(",") > 1 else ""


def path_of(visit: str) -> str:
    """A module's path, without how often it was called before."""
    return re.sub(r"@\d+", "", visit)


def _classes(stacks: Sequence[str]) -> dict[str, str]:
    """The class of every module that is called, by its path."""
    parts = [part.split(",") for stack in dict.fromkeys(stacks) for part in stack.split(";")]
    return {path_of(part[1]): part[2] for part in parts if len(part) == 3}


def _class(stacks: Sequence[str]) -> str:
    """The class of the network itself, whose path is empty."""
    outer = (stack.split(";", 1)[0].split(",") for stack in stacks)
    name = next((o[2].rsplit(".", 1)[-1] for o in outer if len(o) == 3 and o[1] == ""), "")
    return name if name.isidentifier() else "ExportedProgram"
