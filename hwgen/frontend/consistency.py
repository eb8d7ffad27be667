"""Whether what a checkpoint states agrees with the network that its keys and shapes imply."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from hwgen.errors import CheckpointError
from hwgen.frontend.stated import Statement
from hwgen.zoo import BHViTConfig, BinaryViTConfig, NetworkConfig, ResNetConfig

# what programs call the sizes
NAMES = {
    "image_size": ("image_size", "img_size", "input_size"),
    "classes": ("num_labels", "num_classes", "nb_classes", "n_classes", "classes"),
    "in_channels": ("num_channels", "in_channels", "in_chans"),
    "patch": ("patch_size", "patch"),
    "window": ("window_size", "window"),
    "channels": ("hidden_size", "hidden_sizes", "embed_dim", "embed_dims", "channels"),
    "depths": ("depths", "num_hidden_layers"),
    "heads": ("num_attention_heads", "num_heads", "heads"),
    "expansion": ("mlp_ratio", "mlp_ratios", "expansion"),
}
FIELD = {name: field for field, names in NAMES.items() for name in names}
WEIGHT_BITS = ("weight_bits", "weight_bit", "w_bits", "wbits", "w_bit")
INPUT_BITS = ("input_bits", "input_bit", "act_bits", "a_bits", "abits", "a_bit")
MEAN_OF_TOKENS = ("mean", "avg", "average", "gap", "none", "")
WAY_OUT = "give the checkpoint that was meant, or its own values by --config FILE"


def stated_image_size(path: Path, found: Sequence[Statement]) -> int | None:
    """The image's side that is stated. Raises: CheckpointError if two differ."""
    sizes: dict[int, Statement] = {}
    for s in found:
        side = s.value[-1] if isinstance(s.value, list) and s.value else s.value
        if FIELD.get(s.name) == "image_size" and type(side) is int:
            sizes.setdefault(side, s)
    if len(sizes) > 1:
        first, second = list(sizes.values())[:2]
        raise CheckpointError(
            f"{path}", f"{states(first)}, and {states(second)}", "needs one image size",
            "give --image-size or --config FILE",
        )  # fmt: skip
    return next(iter(sizes), None)


def check_bits(path: Path, found: Sequence[Statement]) -> None:
    """Raises: CheckpointError for what hwgen never builds: real weights, gsb, LayerNorm, ..."""
    for s in found:
        if s.name in WEIGHT_BITS + INPUT_BITS and s.value != 1:
            kind = "weights" if s.name in WEIGHT_BITS else "inputs of its binary layers"
            raise _unbuilt(path, s, f"hwgen builds networks with {kind} of 1 bit")
        if s.name in _NEVER and _NEVER[s.name][0](s.value):
            raise _unbuilt(path, s, _NEVER[s.name][1])


def check_agreement(path: Path, found: Sequence[Statement], config: NetworkConfig) -> None:
    """Raises: CheckpointError for another variant or other sizes than those of the weights."""
    for s in found:
        if s.name in _VARIANTS and _VARIANTS[s.name][0](s.value, config):
            raise _unbuilt(path, s, _VARIANTS[s.name][1])
    sizes = _sizes(config)
    names = {s.name for s in found}
    for s in found:
        field = FIELD.get(s.name, "")
        if s.name == "num_hidden_layers" and "depths" in names:
            continue  # a default of the library that no pyramid uses
        number = isinstance(s.value, int | float | list) and not isinstance(s.value, bool)
        if field in sizes and number and s.value not in sizes[field]:
            raise CheckpointError(
                f"{path}", states(s), f"its weights are for {field} {sizes[field][0]}", WAY_OUT
            )


def states(s: Statement) -> str:
    plural = s.source in ("its args", "its hparams", "its hyper_parameters", "its model_args")
    return f"{s.source} state{'' if plural else 's'} {s}"


def _sizes(config: NetworkConfig) -> dict[str, list[Any]]:
    """What may be stated of each size; first what is shown as the network's own."""
    side, colours = config.image_size, config.in_channels
    sizes: dict[str, list[Any]] = {
        "image_size": [side, [side, side], [colours, side, side], [side, side, colours]],
        "classes": [config.classes],
        "in_channels": [colours],
    }
    if isinstance(config, ResNetConfig):  # its depths are counted in more than one way
        return sizes
    channels, heads, expansion = (list(v) for v in (config.channels, config.heads,
                                                    config.expansion))  # fmt: skip
    sizes["patch"] = [config.patch, [config.patch, config.patch]]
    sizes["channels"] = [channels, channels[0], channels[-1]]
    sizes["depths"] = [list(config.depths), sum(config.depths), len(config.depths)]
    sizes["heads"] = [heads, *{h for h in heads if h}]
    sizes["expansion"] = [expansion] + [expansion[0]] * (len({*expansion}) == 1)
    if isinstance(config, BHViTConfig):
        sizes["window"] = [config.window, [config.window, config.window]]
        sizes["heads"] = [_Last(heads), *{h for h in heads if h}]
    return sizes


class _Last(list[int]):
    """Equal to lists with the same last two entries: the mixer stages have no heads."""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, list) and len(other) == len(self) and other[2:] == self[2:]

    __hash__ = None


# ------------------------------------------------------------------------------- variants


def _unbuilt(path: Path, s: Statement, rule: str) -> CheckpointError:
    return CheckpointError(f"{path}", states(s), rule, WAY_OUT)


def _off(family: type) -> Callable[[Any, NetworkConfig], bool]:
    return lambda value, config: value in (False, 0) and isinstance(config, family)


def _pools(value: Any) -> bool:
    return value not in (False, 0) and str(value).lower() not in MEAN_OF_TOKENS


def _no_scale(value: Any, config: NetworkConfig) -> bool:
    affine = config.affine if isinstance(config, BinaryViTConfig) else True
    return bool(value) and affine and not isinstance(config, ResNetConfig)


def _no_pooling(value: Any, config: NetworkConfig) -> bool:
    return value in (False, 0) and isinstance(config, BinaryViTConfig) and config.pooling


def _class_token(value: Any, config: NetworkConfig) -> bool:
    has = isinstance(config, BinaryViTConfig) and config.class_token
    vit = not isinstance(config, ResNetConfig)
    return vit and isinstance(value, bool) and value != has


def _real_downsampling(value: Any, config: NetworkConfig) -> bool:
    if isinstance(config, ResNetConfig) or len(config.channels) == 1:
        return False
    return isinstance(value, bool) and value == config.binary_downsampling


# name -> (whether a value is one that hwgen never builds; the rule that it breaks)
_NEVER: dict[str, tuple[Callable[[Any], bool], str]] = {
    "gsb": (bool, "hwgen builds attention with one step per head, no gsb"),
    "replace_ln_bn": (lambda v: v in (False, 0), "hwgen builds BatchNorm, no LayerNorm"),
    "token_pool": (_pools, "hwgen builds the mean over all tokens, no top-k pooling"),
    "token_pooling": (_pools, "hwgen builds the mean over all tokens, no top-k pooling"),
}
# the same of a value that is not what the keys say
_VARIANTS: dict[str, tuple[Callable[[Any, NetworkConfig], bool], str]] = {
    "disable_layerscale": (_no_scale, "the network of its keys has LayerScale"),
    "shift3": (_off(BHViTConfig), "the network of its keys has 3-wide shifts"),
    "shift5": (_off(BHViTConfig), "the network of its keys has 5-wide shifts"),
    "avg_res3": (_no_pooling, "the network of its keys has 3-wide pooling branches"),
    "avg_res5": (_no_pooling, "the network of its keys has 5-wide pooling branches"),
    "enable_cls_token": (_class_token, "its keys say otherwise"),
    "some_fp": (_real_downsampling, "its keys say otherwise"),
}
