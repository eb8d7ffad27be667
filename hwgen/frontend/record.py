"""nn.Module -> torch.fx graph in which every value that depends on the image is a `Traced` proxy.

The network runs once on an example image. Whatever is computed from parameters, shapes and plain
numbers alone is computed at once and is a constant; whatever is computed from the image, of any
Python type, is a node, and has the example's result in `node.meta["value"]`. So a value depends on
the image if and only if it is a proxy: nothing of the example can end up in a constant.
"""

from __future__ import annotations

import inspect
import operator
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, cast

import torch
from torch import Tensor, fx, nn
from torch.fx.node import map_aggregate

from hwgen.errors import HwgenError, UnsupportedOpError
from hwgen.frontend.straight_through import intercepted
from hwgen.nn import Tracer

FACTS = {  # attributes that do not depend on a tensor's values
    "shape", "ndim", "dtype", "device", "layout", "requires_grad", "is_cuda", "is_leaf",
    "is_sparse", "is_quantized", "is_meta", "names", "itemsize", "nbytes",
}  # fmt: skip
QUESTIONS = {  # methods whose result does not
    "size", "dim", "ndimension", "numel", "nelement", "element_size", "stride", "get_device",
    "is_floating_point", "is_complex", "is_contiguous", "new_zeros", "new_ones", "new_full",
    "new_tensor", "new_empty", "dense_dim", "is_signed",
}  # fmt: skip
ABOUT_SHAPES = {  # functions whose result does not
    torch.zeros_like, torch.ones_like, torch.full_like, torch.empty_like, torch.rand_like,
    torch.randn_like, torch.is_floating_point, torch.is_complex, torch.is_tensor, torch.numel,
}  # fmt: skip
LIKE = {"expand_as", "view_as", "reshape_as", "type_as", "to"}  # a constant, as large as an operand
RULE = "a value that depends on the image must stay a tensor of the traced network"
BOUNDARY = "supported: what is computed from shapes or parameters alone"


class Traced(fx.Proxy):
    """A value that depends on the image."""

    tracer: Recorder

    @property
    def value(self) -> Any:
        """What it is on the example; never to be handed out."""
        return self.node.meta["value"]

    def __getattr__(self, name: str) -> Any:
        if name in ("tracer", "node"):
            raise AttributeError(name)
        value = self.value
        if isinstance(value, Tensor):
            if name in FACTS or name in QUESTIONS:
                return getattr(value, name)
            if name in ("data", "detach"):  # no gradients here
                return self if name == "data" else lambda: self
            if name == "type":
                return self._type
        if name.startswith("__") or not hasattr(value, name):
            raise AttributeError(f"{type(value).__name__!r} object has no attribute {name!r}")
        if not callable(getattr(value, name)):
            return self.tracer.create_proxy("call_function", getattr, (self, name), {})
        return fx.proxy.Attribute(self, name)

    def _type(self, *args: Any, **kwargs: Any) -> Any:
        if not args and not kwargs:
            return self.value.type()
        return self.tracer.create_proxy("call_method", "type", (self, *args), kwargs)

    def __setattr__(self, name: str, value: Any) -> None:
        if name == "data" and isinstance(value, Traced):
            self.tracer.rename(self, value)
            return
        if name not in ("tracer", "node"):
            raise self.tracer.refuse(f"an assignment to .{name}", RULE)
        object.__setattr__(self, name, value)

    def __setitem__(self, key: Any, value: Any) -> None:
        self.tracer.create_proxy("call_function", operator.setitem, (self, key, value), {})

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        return self.tracer.create_proxy("call_method", "clone", (self,), {})

    def __iter__(self) -> Iterator[Any]:
        item = partial(self.tracer.create_proxy, "call_function", operator.getitem)
        return (item((self, i), {}) for i in range(len(self.value)))

    def __len__(self) -> int:
        return len(self.value)

    def __bool__(self) -> bool:
        raise self.tracer.refuse("bool() of a traced value", "control flow must not depend on it")

    def __contains__(self, item: Any) -> bool:
        raise self.tracer.refuse("`in` a traced value", "control flow must not depend on it")

    def __float__(self) -> float:
        raise self.tracer.refuse("float() of a traced value", RULE)

    def __int__(self) -> int:
        raise self.tracer.refuse("int() of a traced value", RULE)

    def __index__(self) -> int:
        raise self.tracer.refuse("an index that is a traced value", RULE)

    def __array__(self, *args: Any, **kwargs: Any) -> Any:
        raise self.tracer.refuse("numpy of a traced value", RULE)


def _in_place(name: str) -> None:
    def method(self: Traced, other: Any) -> Any:
        return self.tracer.create_proxy("call_function", getattr(operator, name), (self, other), {})

    setattr(Traced, f"__{name}__", method)


for _name in ("iadd", "isub", "imul", "itruediv"):
    _in_place(_name)


class Recorder(Tracer):
    """Traces a network on an example image (batch, channels, height, width)."""

    def __init__(self, example: Tensor) -> None:
        super().__init__()
        self.example = example
        self.place = ""  # innermost module in which an error was raised
        self.entered: list[fx.Node] = []  # what that module was called with
        self.stale: dict[fx.Node, str] = {}  # values overwritten through another name -> by what
        self.proxies: list[Traced] = []
        self.modules: dict[str, nn.Module] = {}  # called so far, by path

    # ------------------------------------------------------------------ the ways into the network

    def create_args_for_root(self, root_fn: Any, is_module: bool, concrete_args: Any = None) -> Any:
        """The image, and the defaults of all other arguments."""
        parameters = list(inspect.signature(root_fn).parameters.values())[2:]
        for p in parameters:
            if p.default is p.empty and p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD):
                what, rule = f"an argument {p.name} of forward", "a network has one image input"
                raise UnsupportedOpError(type(self.root).__name__, what, rule)
        image = self.create_proxy("placeholder", "image", (), {})
        return root_fn, [self.root, image]

    def getattr(self, attr: str, attr_val: Any, parameter_proxy_cache: dict[str, Any]) -> Any:
        """Parameters are values like others: they do not depend on the image."""
        return attr_val

    def call_module(
        self, m: nn.Module, forward: Callable[..., Any], args: Any, kwargs: dict[str, Any]
    ) -> Any:
        if not _proxies((args, kwargs)):
            return forward(*args, **kwargs)  # also what a leaf calls while it runs on the example
        path = self._path(m)
        if self.is_leaf_module(m, path):
            _refuse_hooks(m, path)
        try:
            return super().call_module(m, forward, args, kwargs)
        except Exception:
            self.place = self.place or path
            self.entered = self.entered or [a.node for a in _operands((args, kwargs))
                                            if isinstance(a, Traced)]  # fmt: skip
            raise

    def _path(self, m: nn.Module) -> str:
        """Where a module is; one that is held in a list or made in forward gets a name here."""
        assert self.submodule_paths is not None
        path = self.submodule_paths.get(m)
        if path is None:
            if any(True for _ in (*m.parameters(), *m.buffers())):
                what = f"{type(m).__name__}, which is no part of the network"
                way_out = "make it an attribute of its module, or use nn.ModuleList"
                raise self.refuse(what, "it has weights", way_out)
            name = type(m).__name__
            path = f"{self.scope.module_path}.{name}" if self.scope.module_path else name
            self.submodule_paths[m] = path
        self.modules[path] = m
        return path

    # ----------------------------------------------------------------------------------- nodes

    def create_arg(self, a: Any) -> Any:
        if isinstance(a, Tensor):  # a constant; the root gets no attribute for it
            node = self.create_node("get_attr", "constant", (), {})
            node.meta["value"] = a
            return node
        if isinstance(a, Traced) and a.node in self.stale:
            what = f"a value that {self.stale[a.node]} has overwritten"
            raise self.refuse(what, "it is read again under another name", "write x = f(x)")
        try:
            return super().create_arg(a)
        except NotImplementedError:
            return a

    def create_proxy(
        self, kind: str, target: Any, args: tuple[Any, ...], kwargs: dict[str, Any],
        name: str | None = None, type_expr: Any = None, proxy_factory_fn: Any = None,
    ) -> Any:  # fmt: skip
        """A node and its value on the example; the value itself where it is a constant."""
        if kind == "placeholder":
            return self._proxy(kind, target, (), {}, self.example, name)
        run = self._call(kind, target)
        values = _values((args, kwargs))
        like = kind == "call_method" and target in LIKE and not isinstance(args[0], fx.Proxy)
        if like or target in ABOUT_SHAPES or not _proxies((args, kwargs)):
            return run(*values[0], **values[1])
        operands = _operands((args, kwargs))
        versions = [_version(v) for v in map(_value, operands)]
        try:
            result = run(*values[0], **values[1])
        except HwgenError:
            raise
        except Exception as error:
            self.place = self.place or (str(target) if kind == "call_module" else "")
            raise _Failed(error) from error
        if _proxies(result):
            return result  # a function that was given proxies inside an object: traced through
        changed = [o for o, v in zip(operands, versions) if _version(_value(o)) != v]
        return self._overwrite(changed, self._proxy(kind, target, args, kwargs, result, name))

    def _proxy(
        self, kind: str, target: Any, args: Any, kwargs: Any, value: Any, name: str | None
    ) -> Traced:
        proxy = cast(Traced, super().create_proxy(kind, target, args, kwargs, name))
        proxy.node.meta["value"] = value
        if kind == "call_module":
            proxy.node.meta["module"] = self.modules[target]
        self.proxies.append(proxy)
        return proxy

    def proxy(self, node: fx.Node) -> Traced:
        return Traced(node, self)

    def _call(self, kind: str, target: Any) -> Callable[..., Any]:
        if kind == "call_module":
            return self.modules[target]
        if kind == "call_method":
            return lambda x, *args, **kwargs: getattr(x, target)(*args, **kwargs)
        return target

    def _overwrite(self, changed: list[Any], proxy: Traced) -> Traced:
        """What an in-place operation leaves behind.

        All names of the operand stand for the result from now on; its views are read no more.
        """
        if not changed:
            return proxy
        what = operation(proxy.node)
        constants = [o for o in changed if not isinstance(o, Traced)]
        if constants or len({id(o) for o in changed}) > 1:
            raise self.refuse(f"{what} writes what depends on the image into a constant", RULE)
        (operand,) = {id(o): o for o in changed}.values()
        written = operand.value
        for other in self.proxies:
            value = other.node.meta["value"]
            if other.node is proxy.node or not isinstance(value, Tensor):
                continue
            if _memory(value) == _memory(written):
                other.node = proxy.node
            elif value.untyped_storage().data_ptr() == written.untyped_storage().data_ptr():
                self.stale[other.node] = what
        proxy.node.meta["value"] = written
        return proxy

    def rename(self, old: Traced, new: Traced) -> None:
        """All names of one value are names of another from now on."""
        node = old.node
        for proxy in (p for p in self.proxies if p.node is node):
            proxy.node = new.node

    def refuse(self, what: str, rule: str, way_out: str = BOUNDARY) -> UnsupportedOpError:
        return UnsupportedOpError(self.scope.module_path or "forward", what, rule, way_out)


class _Failed(Exception):
    """An operation of the network that fails on the example."""

    def __init__(self, error: Exception) -> None:
        self.error = error
        super().__init__(str(error))


@dataclass(frozen=True)
class Recorded:
    """The graph of a network; up to a call that cannot be recorded where there is one: its output
    is then what the module needs for sure in which the recording stopped."""

    graph: fx.Graph
    stopped: HwgenError | None = None


def record(module: nn.Module, example: Tensor) -> Recorded:
    """The graph of a network on an example image, with the example's values.

    It stops with an UnsupportedOpError at what no graph can show: control flow on the image, values
    that leave PyTorch, constants that are written.
    """
    recorder = Recorder(example)
    height, width = example.shape[2:]
    size = f"{height}x{width}x{example.shape[1]}"
    try:
        with torch.no_grad(), intercepted():
            return Recorded(recorder.trace(module))
    except HwgenError as error:
        stopped = error
    except _Failed as failed:
        what = f"fails on an image of {size}: {_line(failed.error)}"
        rule = "the network must run on its calibration images"
        stopped = UnsupportedOpError(recorder.place or "forward", what, rule)
    except Exception as error:  # whatever the network's own Python raises
        what, rule = f"fails while it is traced: {_line(error)}", RULE
        stopped = UnsupportedOpError(recorder.place or "forward", what, rule)
    recorder.graph.output(_before(recorder, stopped))
    return Recorded(recorder.graph, stopped)


def _before(recorder: Recorder, stopped: HwgenError) -> tuple[fx.Node, ...]:
    """What calls of the module read in which a recording stopped, or the one value that it was
    called with; its own calls may belong to what stopped it."""
    own = [n for n in recorder.graph.nodes if (place(n) or "forward") == stopped.place]
    entered = recorder.entered if len(recorder.entered) == 1 else []
    read = dict.fromkeys([*entered, *(a for n in own for a in n.all_input_nodes)])
    return tuple(n for n in read if n not in own)


def operation(node: fx.Node) -> str:
    """The name of what a node calls, as users write it."""
    if node.op == "call_module":
        return type(node.meta["module"]).__name__
    if node.target is getattr and len(node.args) == 2:
        return str(node.args[1])
    return str(getattr(node.target, "__name__", node.target))


def place(node: fx.Node) -> str:
    """Module path of the call that a node stands for."""
    if node.op == "call_module":
        return str(node.target)
    stack = node.meta.get("nn_module_stack") or {}
    return next((str(v[0]) for v in reversed(stack.values())), "") if stack else ""


def _line(error: Exception) -> str:
    text = str(error).strip() or type(error).__name__
    return text.splitlines()[0].replace(f"{__name__}.Traced", "a traced value")


def _refuse_hooks(m: nn.Module, path: str) -> None:
    """Hooks of a layer that stays whole would run unseen; those of torch set its weight."""
    hooks = [*m._forward_pre_hooks.values(), *m._forward_hooks.values()]
    foreign = [h for h in hooks if not _module_of(h).startswith("torch.nn.utils")]
    if foreign:
        what = (
            f"{type(m).__name__} with a forward hook {getattr(foreign[0], '__name__', foreign[0])}"
        )
        raise UnsupportedOpError(path, what, "hooks are not traced", "remove it")


def _module_of(hook: Any) -> str:
    return str(getattr(hook, "__module__", None) or type(hook).__module__)


def _map(value: Any, change: Callable[[Any], Any]) -> Any:
    """`change` at every leaf of tuples, lists, dicts and slices."""
    return map_aggregate(value, change)


def _value(operand: Any) -> Any:
    return operand.node.meta["value"] if isinstance(operand, fx.Proxy) else operand


def _values(arguments: Any) -> Any:
    return _map(arguments, _value)


def _operands(arguments: Any) -> list[Any]:
    found: list[Any] = []

    def find(a: Any) -> Any:
        found.append(a)
        return a

    _map(arguments, find)
    return found


def _proxies(arguments: Any) -> bool:
    return any(isinstance(a, fx.Proxy) for a in _operands(arguments))


def _memory(value: Tensor) -> tuple[Any, ...]:
    return value.data_ptr(), value.shape, value.stride()


def _version(value: Any) -> int:
    return value._version if isinstance(value, Tensor) and not value.is_inference() else 0
