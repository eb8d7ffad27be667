"""What every network of the zoo is: a module that knows its configuration."""

from __future__ import annotations

from torch import nn

from hwgen.zoo.config import NetworkConfig


class Network(nn.Module):
    """A classifier (B, in_channels, S, S) -> (B, classes) with its `config`."""

    config: NetworkConfig
