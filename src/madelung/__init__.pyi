"""The public face: every public name once, with the module it lives in.

Type checkers read this file, and so does ``__init__.py``, which imports a name when it is first
used.
"""

# crystals
from .crystals.crystal import Crystal as Crystal
from .crystals.batch import CrystalBatch as CrystalBatch
from .crystals.reading.arguments import as_crystals as as_crystals
from .crystals.reading.files import iterate as iterate
from .crystals.reading.files import read as read
from .crystals.reading.files import read_all as read_all
from .crystals.examples import example as example
from .crystals.neighbours import find_neighbours as find_neighbours

# errors and warnings
from .common.errors import CrystalError as CrystalError
from .common.errors import CrystalWarning as CrystalWarning
from .common.errors import DatasetError as DatasetError
from .common.errors import ForceFieldError as ForceFieldError
from .common.errors import MadelungError as MadelungError
from .common.errors import ModelError as ModelError
from .common.errors import PhononError as PhononError
from .common.errors import PolymorphError as PolymorphError
from .common.errors import PotentialError as PotentialError
from .common.errors import ToleranceWarning as ToleranceWarning
from .common.errors import TrainingError as TrainingError
from .common.interruption import JobInterrupted as JobInterrupted

# complete sums
from .sums.base import Potential as Potential
from .sums.potentials import BornMayer as BornMayer
from .sums.potentials import Coulomb as Coulomb
from .sums.potentials import Gaussian as Gaussian
from .sums.potentials import InversePower as InversePower
from .sums.potentials import London as London
from .sums.potentials import Pauli as Pauli
from .sums.potentials import Yukawa as Yukawa
from .sums.combinations import Buckingham as Buckingham
from .sums.base import Combination as Combination
from .sums.combinations import LennardJones as LennardJones
from .sums.combinations import Morse as Morse
from .sums.validation import PotentialCheck as PotentialCheck
from .sums.validation import validate_potential as validate_potential
from .sums.complete import CompleteSums as CompleteSums
from .sums.complete import complete_sums as complete_sums
from .sums.electrostatics import Electrostatics as Electrostatics
from .sums.electrostatics import electrostatics as electrostatics
from .sums.electrostatics import madelung_constant as madelung_constant
from .sums.electrostatics import site_potentials as site_potentials
from .sums.dipoles import DipoleSums as DipoleSums
from .sums.dipoles import dipole_tensors as dipole_tensors
from .sums.files import sum_files as sum_files
from .sums.plots import plot_sums as plot_sums

# data sets
from .data.records import DatasetInfo as DatasetInfo
from .data.records import Record as Record
from .data.records import Target as Target
from .data.dataset import export_json_lines as export_json_lines
from .data.dataset import open_dataset as open_dataset
from .data.reading import read_records as read_records
from .data.store import CrystalStore as CrystalStore
from .data.store import write_store as write_store
from .data.matching import find_matches as find_matches
from .data.combining import combine_sources as combine_sources

# what networks see of a crystal
from .inputs.near_graph import CrystalGraph as CrystalGraph
from .inputs.near_graph import build_graph as build_graph
from .inputs.settings import GraphSettings as GraphSettings
from .inputs.settings import PairSettings as PairSettings
from .inputs.build import build_input as build_input
from .inputs.pair_graph import PairGraph as PairGraph
from .inputs.pair_graph import PairList as PairList
from .inputs.pair_functions import pair_functions as pair_functions

# properties
from .models.model import CrystalModel as CrystalModel
from .models.model import Prediction as Prediction
from .models.files import predict_files as predict_files
from .models.settings import PotNetSettings as PotNetSettings
from .models.settings import SumNetSettings as SumNetSettings
from .training.settings import TrainingSettings as TrainingSettings
from .training.trainer import Trainer as Trainer
from .training.report import evaluate_dataset as evaluate_dataset
from .training.ensembles import combine_models as combine_models
from .training.ensembles import ensemble_runs as ensemble_runs
from .training.ensemble_members import separate as separate
from .leaderboards.benchmark import run_benchmark as run_benchmark

# force fields
from .forcefields.interface import Evaluation as Evaluation
from .forcefields.interface import ForceField as ForceField
from .forcefields.files import load_force_field as load_force_field
from .forcefields.calculator import ForceFieldCalculator as ForceFieldCalculator
from .forcefields.soundness.validation import ValidationReport as ValidationReport
from .forcefields.soundness.validation import validate_force_field as validate_force_field
from .forcefields.soundness.checks import Tolerances as Tolerances
from .forcefields.pairs.complete_pairs import CompletePairs as CompletePairs
from .forcefields.lammps import acting_in_lammps as acting_in_lammps
from .forcefields.reference.configurations import Configuration as Configuration
from .forcefields.reference.configurations import SkippedConfigurations as SkippedConfigurations
from .forcefields.reference.configurations import read_configurations as read_configurations
from .forcefields.reference.reference_data import DataFiles as DataFiles
from .forcefields.reference.comparison import Comparison as Comparison
from .forcefields.reference.comparison import compare as compare

# fits of force fields
from .forcefields.uf3.settings import Regularisation as Regularisation
from .forcefields.uf3.settings import ThreeBodyRange as ThreeBodyRange
from .forcefields.uf3.settings import TwoBodyRange as TwoBodyRange
from .forcefields.uf3.settings import UF3Settings as UF3Settings
from .forcefields.uf3.fit import UF3Fit as UF3Fit
from .forcefields.uf3.fit import fit_uf3 as fit_uf3
from .forcefields.uf3.normal_equations import NormalEquations as NormalEquations
from .forcefields.uf3.potential import UF3Potential as UF3Potential
from .forcefields.uf3.lammps import read_lammps as read_lammps
from .forcefields.uf3.lammps import write_lammps as write_lammps
from .forcefields.uf3.run_fit import run_uf3_fit as run_uf3_fit
from .forcefields.uf3.sweep import sweep_uf3 as sweep_uf3
from .forcefields.splines.cubic import CubicSpline as CubicSpline
from .forcefields.splines.meam import SplineMEAM as SplineMEAM
from .forcefields.splines.eam import SplineEAM as SplineEAM
from .forcefields.splines.settings import SplineMEAMSettings as SplineMEAMSettings
from .forcefields.splines.fit import SplineMEAMFit as SplineMEAMFit
from .forcefields.splines.fit import fit_spline_meam as fit_spline_meam
from .forcefields.splines.run_fit import run_meam_fit as run_meam_fit
from .forcefields.neural.settings import NeuralSettings as NeuralSettings
from .forcefields.neural.fit_settings import NeuralFitSettings as NeuralFitSettings
from .forcefields.neural.fit_settings import TrainingCourse as TrainingCourse
from .forcefields.neural.energy import EnergyModel as EnergyModel
from .forcefields.neural.potential import NeuralEvaluation as NeuralEvaluation
from .forcefields.neural.potential import NeuralForceField as NeuralForceField
from .forcefields.neural.run_fit import NeuralFitResult as NeuralFitResult
from .forcefields.neural.run_fit import run_neural_fit as run_neural_fit
from .forcefields.neural.metatomic import write_metatomic as write_metatomic

# calculations with a force field
from .calculations.relax import RelaxationResult as RelaxationResult
from .calculations.relax import relax as relax
from .calculations.elastic import elastic_constants as elastic_constants
from .calculations.equation_of_state import equation_of_state as equation_of_state
from .calculations.vacancy import vacancy_energy as vacancy_energy
from .calculations.dynamics import run_dynamics as run_dynamics
from .calculations.integrators import DynamicsSettings as DynamicsSettings

# phonons
from .phonons.loading import load as load
from .phonons.prediction import Phonons as Phonons
from .phonons.prediction import PhononSummary as PhononSummary
from .phonons.model import PhononModel as PhononModel
from .phonons.harmonic_crystal import HarmonicCrystal as HarmonicCrystal
from .phonons.polar import PolarCrystal as PolarCrystal
from .phonons.polar import symmetric_charges as symmetric_charges
from .phonons.displacements import phonons_of_force_field as phonons_of_force_field
from .phonons.quasi_harmonic import QuasiHarmonic as QuasiHarmonic
from .phonons.quasi_harmonic import quasi_harmonic as quasi_harmonic
from .phonons.grueneisen import mode_grueneisen as mode_grueneisen
from .phonons.force_sets import ForceSets as ForceSets
from .phonons.force_constants import force_constants_of as force_constants_of
from .phonons.shards import read_shard as read_shard
from .phonons.files import read_phonopy as read_phonopy
from .phonons.displaced_frames import read_displaced_frames as read_displaced_frames
from .phonons.files import write_phonopy as write_phonopy
from .phonons.plots import plot_bands as plot_bands
from .models.harmonic_settings import HarmonicSettings as HarmonicSettings
from .phonons.course import PhononCourse as PhononCourse
from .phonons.train import train_phonons as train_phonons
from .phonons.evaluation import evaluate_phonons as evaluate_phonons
from .phonons.effective import EffectivePhonons as EffectivePhonons
from .phonons.effective import effective_phonons as effective_phonons

# polymorphs
from .polymorphs.job import rank_candidates as rank_candidates
from .polymorphs.ranking import Ranking as Ranking
from .polymorphs.candidates import read_candidates as read_candidates
from .polymorphs.molecules import Molecule as Molecule
from .polymorphs.molecules import find_molecules as find_molecules
from .polymorphs.lattice_energies import dispersion_energy as dispersion_energy
from .polymorphs.lattice_energies import electrostatic_energy as electrostatic_energy
from .polymorphs.dispersion_coefficients import DispersionCoefficients as DispersionCoefficients
from .polymorphs.pyscf_monomers import PyscfMonomers as PyscfMonomers

# teaching by empirical potentials
from .teaching.teachers import Teacher as Teacher
from .teaching.teachers import parse_teacher as parse_teacher
from .teaching.teachers import parse_teachers as parse_teachers
from .teaching.supervision import LabellingLimits as LabellingLimits
from .teaching.labelling import label_configurations as label_configurations
from .teaching.labels import TeacherLabels as TeacherLabels
from .teaching.tables import read_energy_table as read_energy_table
from .teaching.sources import read_labels as read_labels
from .teaching.sources import reference_energies_of as reference_energies_of
from .teaching.shifts import fit_shifts as fit_shifts
from .teaching.choice import Choice as Choice
from .teaching.choice import choose_teachers as choose_teachers
from .teaching.descriptors import describe as describe
from .teaching.mixture import Mixture as Mixture
from .teaching.mixture import fit_mixture as fit_mixture
from .teaching.report import report_teachers as report_teachers
from .teaching.active import NextChoice as NextChoice
from .teaching.active import choose_at_random as choose_at_random
from .teaching.active import choose_farthest as choose_farthest
from .teaching.active import choose_next as choose_next
from .teaching.active import ensemble_uncertainties as ensemble_uncertainties
from .teaching.active import places_of as places_of
from .teaching.proposal import Proposal as Proposal
from .teaching.proposal import propose_next as propose_next
from .teaching.run_teaching import teach_networks as teach_networks

__version__: str
