"""Madelung: complete lattice sums of crystals with certified errors, and what is learnt from them.

Names are imported when they are first used; ``import madelung`` itself loads nothing heavy.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from madelung.crystal import Crystal, CrystalBatch
    from madelung.crystal_arguments import as_crystals
    from madelung.data.dataset import open_dataset
    from madelung.errors import (
        CrystalError,
        DatasetError,
        MadelungError,
        ModelError,
        PotentialError,
        ToleranceWarning,
        TrainingError,
    )
    from madelung.examples import example
    from madelung.graph import CrystalGraph, build_graph
    from madelung.graph_settings import GraphSettings, PairSettings
    from madelung.io import iterate, read, read_all
    from madelung.models.files import predict_files
    from madelung.models.model import CrystalModel, Prediction
    from madelung.models.settings import PotNetSettings, SumNetSettings
    from madelung.models.shipped import load
    from madelung.sums import (
        BornMayer,
        Buckingham,
        Combination,
        CompleteSums,
        Coulomb,
        Gaussian,
        InversePower,
        LennardJones,
        London,
        Morse,
        Pauli,
        Potential,
        Yukawa,
        complete_sums,
    )
    from madelung.sums.electrostatics import (
        Electrostatics,
        electrostatics,
        madelung_constant,
        site_potentials,
    )
    from madelung.sums.files import sum_files
    from madelung.sums.plots import plot_sums
    from madelung.training.report import evaluate_dataset
    from madelung.training.settings import TrainingSettings
    from madelung.training.trainer import Trainer

__version__ = "0.1.0"

__all__ = [
    "BornMayer",
    "Buckingham",
    "Combination",
    "CompleteSums",
    "Coulomb",
    "Crystal",
    "CrystalBatch",
    "CrystalError",
    "CrystalGraph",
    "CrystalModel",
    "DatasetError",
    "Electrostatics",
    "Gaussian",
    "GraphSettings",
    "InversePower",
    "LennardJones",
    "London",
    "MadelungError",
    "ModelError",
    "Morse",
    "PairSettings",
    "Pauli",
    "PotNetSettings",
    "Potential",
    "PotentialError",
    "Prediction",
    "SumNetSettings",
    "ToleranceWarning",
    "Trainer",
    "TrainingError",
    "TrainingSettings",
    "Yukawa",
    "__version__",
    "as_crystals",
    "build_graph",
    "complete_sums",
    "electrostatics",
    "evaluate_dataset",
    "example",
    "iterate",
    "load",
    "madelung_constant",
    "open_dataset",
    "plot_sums",
    "predict_files",
    "read",
    "read_all",
    "site_potentials",
    "sum_files",
]

_HOMES = {
    "CrystalGraph": "graph",
    "build_graph": "graph",
    "GraphSettings": "graph_settings",
    "PairSettings": "graph_settings",
    "DatasetError": "errors",
    "ModelError": "errors",
    "TrainingError": "errors",
    "open_dataset": "data.dataset",
    "predict_files": "models.files",
    "CrystalModel": "models.model",
    "Prediction": "models.model",
    "PotNetSettings": "models.settings",
    "SumNetSettings": "models.settings",
    "load": "models.shipped",
    "evaluate_dataset": "training.report",
    "TrainingSettings": "training.settings",
    "Trainer": "training.trainer",
    "Crystal": "crystal",
    "CrystalBatch": "crystal",
    "as_crystals": "crystal_arguments",
    "CrystalError": "errors",
    "MadelungError": "errors",
    "PotentialError": "errors",
    "ToleranceWarning": "errors",
    "example": "examples",
    "iterate": "io",
    "read": "io",
    "read_all": "io",
    "Electrostatics": "sums.electrostatics",
    "electrostatics": "sums.electrostatics",
    "madelung_constant": "sums.electrostatics",
    "site_potentials": "sums.electrostatics",
    "sum_files": "sums.files",
    "plot_sums": "sums.plots",
}


def __getattr__(name: str) -> Any:
    """Import a public name from the module it lives in."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    home = importlib.import_module(f"{__name__}.{_HOMES.get(name, 'sums')}")
    value = getattr(home, name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """List the public names, imported or not."""
    return sorted({*globals(), *__all__})
