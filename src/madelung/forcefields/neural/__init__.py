"""A neural force field whose Coulomb and dispersion energies are complete sums.

See docs/theory/neural-force-field.md.
"""

from madelung.forcefields.neural.energy import EnergyModel
from madelung.forcefields.neural.fit_settings import NeuralFitSettings, TrainingCourse
from madelung.forcefields.neural.job import NeuralJob, run_neural_fit
from madelung.forcefields.neural.potential import NeuralEvaluation, NeuralForceField
from madelung.forcefields.neural.settings import NeuralSettings

__all__ = [
    "EnergyModel",
    "NeuralEvaluation",
    "NeuralFitSettings",
    "NeuralForceField",
    "NeuralJob",
    "NeuralSettings",
    "TrainingCourse",
    "run_neural_fit",
]
