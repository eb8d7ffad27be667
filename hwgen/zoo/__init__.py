"""Networks of the papers, built from `hwgen.nn` layers.

`create("bhvit_micro", classes=10)` by name; `config_from_state_dict` recognises a checkpoint.
"""

from hwgen.zoo.analyze import Analysis, analyze
from hwgen.zoo.bhvit import BHViT
from hwgen.zoo.config import BHViTConfig
from hwgen.zoo.recognise import config_from_state_dict, network_of
from hwgen.zoo.registry import create, names, register, summary
from hwgen.zoo.resnet import BinaryResNet, ResNetConfig

__all__ = [
    "Analysis",
    "BHViT",
    "BHViTConfig",
    "BinaryResNet",
    "ResNetConfig",
    "analyze",
    "config_from_state_dict",
    "create",
    "names",
    "network_of",
    "register",
    "summary",
]
