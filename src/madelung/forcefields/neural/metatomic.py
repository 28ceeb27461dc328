"""Neural force fields as metatomic models, for engines of molecular dynamics without Python.

metatomic (https://docs.metatensor.org/metatomic) is an interface between such engines and models
that are TorchScript. The engine asks for energies, and differentiates them.
"""

from __future__ import annotations

import math
import os
import warnings
from pathlib import Path

from madelung.common.errors import ForceFieldError
from madelung.common.outputs import whole_file
from madelung.forcefields.neural.potential import NeuralForceField

__all__ = ["write_metatomic"]


def write_metatomic(force_field: NeuralForceField, path: str | os.PathLike[str]) -> Path:
    """Write a force field as a metatomic model.

    Parameters
    ----------
    force_field
        The force field. Of an ensemble, the file gives the mean, and ``energy_uncertainty``.
    path
        The file, whose name usually ends in ``.pt``.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    ForceFieldError
        If metatomic is not installed.

    Notes
    -----
    Energies are those of the force field up to 1e-8 eV/atom: complete sums are Ewald sums of fixed
    accuracy instead of certified ones. Crystals and molecules are neutral. The file is for CPUs:
    constants of the trace stay where they were made.
    """
    with warnings.catch_warnings():
        # It is TorchScript, which PyTorch would rather see exported.
        warnings.simplefilter("ignore", DeprecationWarning)
        _write(force_field, Path(path))
    return Path(path)


def _write(force_field: NeuralForceField, path: Path) -> None:
    try:
        from metatomic.torch import AtomisticModel, ModelCapabilities, ModelMetadata, ModelOutput
    except ImportError as problem:
        raise ForceFieldError(
            f"metatomic is not installed ({problem}): pip install 'madelung[metatomic]'"
        ) from None
    from madelung.forcefields.neural.metatomic_model import MetatomicModel

    settings = force_field.settings
    outputs = {"energy": ModelOutput(unit="eV", sample_kind="atom")}
    if len(force_field.models) > 1:
        outputs["energy_uncertainty"] = ModelOutput(unit="eV", sample_kind="atom")
    capabilities = ModelCapabilities(
        outputs=outputs,
        atomic_types=list(settings.species),
        interaction_range=force_field.cutoff or math.inf,
        length_unit="angstrom",
        supported_devices=["cpu"],
        dtype="float64",
    )
    metadata = ModelMetadata(
        name=f"Madelung neural force field, {' '.join(settings.elements)}",
        description=f"{len(force_field.models)} networks, head {force_field.head}",
    )
    model = AtomisticModel(MetatomicModel(force_field).eval(), metadata, capabilities)
    with whole_file(path) as temporary:
        model.save(str(temporary))
