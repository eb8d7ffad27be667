"""Variants of the released networks that hwgen does not build, told by their keys."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from hwgen.errors import CheckpointError


def refuse_variants(state: Mapping[str, Tensor], family: str) -> None:
    """Raises: CheckpointError for the first variant of BHViT or BinaryViT that the keys show.

    Only where a kind of key is missing in every block: a few missing keys are a damaged file.
    """
    keys = [key for key in state if key.startswith("vit.encoder.")]

    def some(ending: str) -> bool:
        return any(key.endswith(ending) for key in keys)

    whole = some(".intermediate.dense.weight")  # not parts of a network
    shows = {
        "gsb attention": (some(".att_prob_clip2"), "att_prob_clip2 keys", "no gsb"),
        "LayerNorm in place of BatchNorm": (
            some(".layernorm_before.weight") and not some(".running_mean"),
            "no running_mean keys", "replace_ln_bn",
        ),
        "inputs of more than 1 bit": (
            whole and not some(".intermediate.move"), "no intermediate.move keys", "input_bits 1",
        ),
    }  # fmt: skip
    if family == "BHViT":
        shows["no LayerScale"] = (
            whole and not some(".output.layerscale.alpha"),
            "no output.layerscale keys", "LayerScale",
        )  # fmt: skip
    sort = "shift" if family == "BHViT" else "pooling"
    option = "shift" if family == "BHViT" else "avg_res"
    pooling = family == "BHViT" or some(".layerscale_h3.alpha") or some(".layerscale_h5.alpha")
    for width in ("5", "3"):
        shows[f"no {width}-wide {sort}"] = (
            whole and pooling and not some(f".layerscale_h{width}.alpha"),
            f"no layerscale_h{width} keys", f"{option}{width}",
        )  # fmt: skip
    for name, (found, sign, wanted) in shows.items():
        if found:
            raise CheckpointError(
                "state_dict", f"is a {family} with {name} ({sign})",
                f"hwgen builds it with {wanted}", f"train it with {wanted}",
            )  # fmt: skip
