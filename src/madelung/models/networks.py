"""From the settings of a network to the network."""

from __future__ import annotations

from torch import nn

from madelung.common.errors import ModelError
from madelung.common.registry import imported
from madelung.inputs.settings import InputSettings
from madelung.models.settings import NetworkSettings

__all__ = ["build_network"]


def build_network(network: NetworkSettings, inputs: InputSettings, outputs: int) -> nn.Module:
    """Build a network with fresh weights.

    Parameters
    ----------
    network
        Architecture and size.
    inputs
        What it starts from.
    outputs
        Number of targets.

    Raises
    ------
    ModelError
        If the network does not start from such inputs, these lack the bonds or areas that it
        needs, or its settings contradict each other.
    """
    if not isinstance(inputs, network.inputs):
        raise ModelError(
            f"a {network.architecture} starts from {network.inputs.__name__}, not from "
            f"{type(inputs).__name__}"
        )
    made: nn.Module = imported(network.builder)(network, inputs, outputs)
    return made
