"""From the settings of a network to the network."""

from __future__ import annotations

from torch import nn

from madelung.common.errors import ModelError
from madelung.inputs.pair_functions import function_sections
from madelung.inputs.settings import GraphSettings, InputSettings, PairSettings
from madelung.models.potnet import PotNet
from madelung.models.settings import NetworkSettings, PotNetSettings, SumNetSettings
from madelung.models.sumnet import SumNet

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
    if isinstance(network, PotNetSettings) and isinstance(inputs, GraphSettings):
        return PotNet(network, outputs, len(inputs.potentials))
    if isinstance(network, SumNetSettings) and isinstance(inputs, PairSettings):
        if network.readout == "frequency" and not inputs.bonds:
            raise ModelError("a network that reads off frequencies needs bonds (--bonds 5)")
        if network.readout == "frequency" and network.pooling != "mean":
            raise ModelError("frequencies choose their atoms themselves: leave --pooling away")
        if network.readout == "area" and not inputs.areas:
            raise ModelError("a network that reads off values for an area needs --areas")
        return SumNet(network, outputs, function_sections(inputs), inputs.bonds)
    raise ModelError(
        f"a {network.architecture} does not start from {type(inputs).__name__}: PotNet takes "
        "GraphSettings, SumNet PairSettings"
    )
