"""Networks of the papers, built from `hwgen.nn` layers.

`create("bhvit_micro", classes=10)` by name; `config_from_state_dict` recognises a checkpoint.
"""

from hwgen.zoo.bhvit import BHViT
from hwgen.zoo.binaryvit import BinaryViT
from hwgen.zoo.config import (
    BHViTConfig,
    BinaryViTConfig,
    NetworkConfig,
    ResNetConfig,
    family_of,
)
from hwgen.zoo.recognise import build, config_from_state_dict
from hwgen.zoo.registry import create, names, register, sketch, summary
from hwgen.zoo.resnet import BinaryResNet

__all__ = [
    "BHViT",
    "BHViTConfig",
    "BinaryResNet",
    "BinaryViT",
    "BinaryViTConfig",
    "NetworkConfig",
    "ResNetConfig",
    "build",
    "config_from_state_dict",
    "create",
    "family_of",
    "names",
    "register",
    "sketch",
    "summary",
]
