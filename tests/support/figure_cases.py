"""Every figure that the package draws, of data with an outlier."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import ase.build
import numpy as np
from matplotlib.figure import Figure
from spline_potentials import random_meam

import madelung as md
from madelung.calculations.dynamics import DynamicsResult
from madelung.calculations.elastic import ElasticResult
from madelung.calculations.equation_of_state import fit_birch_murnaghan
from madelung.calculations.integrators import DynamicsSettings
from madelung.calculations.relax import RelaxationResult
from madelung.calculations.vacancy import VacancyResult
from madelung.crystals.crystal import Crystal
from madelung.forcefields.reference.comparison import ComparedConfiguration, Comparison
from madelung.forcefields.reference.configurations import Configuration
from madelung.forcefields.reference.plots import plot_parity
from madelung.forcefields.splines.plots import plot_meam
from madelung.forcefields.uf3.fit import assemble
from madelung.forcefields.uf3.plots import plot_learning_curve, plot_pairs, plot_triplets
from madelung.forcefields.uf3.settings import ThreeBodyRange, TwoBodyRange, UF3Settings
from madelung.forcefields.uf3.sweep_plots import plot_sweep
from madelung.forcefields.uf3.sweep_trial import SweepTrial
from madelung.learning.plots import plot_history
from madelung.phonons.bands import Bands, DensityOfStates, band_path
from madelung.phonons.expansion import plot_expansion
from madelung.phonons.plots import plot_bands, plot_thermodynamics
from madelung.phonons.prediction import ThermalEstimates
from madelung.phonons.quasi_harmonic import QuasiHarmonic
from madelung.phonons.thermodynamics import Thermodynamics
from madelung.polymorphs.plots import plot_landscape
from madelung.polymorphs.ranking import Ranking
from madelung.teaching.choice import Choice
from madelung.teaching.plots import plot_learning_curves, plot_map
from madelung.training.plots import plot_errors

SALT = md.example("NaCl")
COPPER = Crystal.from_ase(ase.build.bulk("Cu", cubic=True))


def frames(elements: int) -> list[Configuration]:
    """Clusters of all elements with random forces: enough to draw, not to learn."""
    random = np.random.default_rng(0)
    numbers = [28, 29, 46, 47, 78, 79][:elements]
    cell = np.eye(3) * 6.0
    found = []
    for name in ("a", "b"):
        positions = random.uniform(size=(2 * elements, 3)) * 0.4 + 2.0 * np.array(
            [[i % 3, i // 3 % 3, i // 9] for i in range(2 * elements)]
        )
        crystal = Crystal(cell=cell, positions=positions, numbers=2 * numbers, pbc=True)
        forces = random.normal(size=positions.shape)
        found.append(Configuration(name, crystal, -1.0, forces, np.zeros((3, 3))))
    return found


def equations_of(elements: tuple[str, ...], three_body: ThreeBodyRange | None) -> tuple[Any, Any]:
    settings = UF3Settings(
        elements=elements,
        two_body=TwoBodyRange(minimum=1.0, maximum=4.0, intervals=4),
        three_body=three_body,
    )
    equations, _ = assemble(frames(len(elements)), settings)
    return equations, np.random.default_rng(1).normal(size=equations.basis.size)


def random(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def sums() -> Figure:
    values = random().normal(size=(2, len(SALT), len(SALT)))
    values[0, 0, 1] = 1e4
    salt = md.Crystal(SALT.cell, SALT.positions, SALT.numbers, charges=[1.0, -1.0] * 4)
    electrostatics = md.electrostatics(salt)
    return md.plot_sums(salt, values, ["London (Å^-6)", "r^-3 (Å^-3)"], None, electrostatics)


def bands(lowest: float) -> Figure:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        path = band_path(Crystal.from_ase(ase.build.bulk("Cu")))
    frequencies = np.sort(random().uniform(0.0, 7.0, (len(path.wave_vectors), 3)), axis=1)
    frequencies[5, 2], frequencies[7, 0] = 31.0, lowest
    half = random(1).uniform(0.0, 0.5, frequencies.shape)
    half[9, 2] = 40.0
    grid = np.linspace(lowest - 1.0, 12.0, 50)
    total = np.exp(-((grid - lowest) ** 2))
    density = DensityOfStates(grid, total, {"Na": 0.4 * total, "Cl": 0.6 * total})
    reference = Bands(path, 1.3 * frequencies, None, False)
    return plot_bands(Bands(path, frequencies, half, False), density, reference=reference)


def thermal() -> Figure:
    temperatures = np.linspace(0.0, 800.0, 9)
    values = [random(seed).uniform(0.0, 20.0, 9) for seed in range(3)]
    values[2][4] = 60.0
    half = {"free_energy": 90.0, "entropy": 5.0, "heat_capacity": 30.0}
    estimates = ThermalEstimates(
        Thermodynamics(temperatures, *values, zero_point=30.0, left_out=0.0),
        {name: np.full(9, width) for name, width in half.items()},
    )
    return plot_thermodynamics(estimates)


def errors() -> Figure:
    truths = random().normal(size=60)
    predictions = truths + 0.1 * random(1).normal(size=60)
    predictions[3] = 40.0
    return plot_errors("gap", "eV", truths, predictions, random(2).uniform(0.0, 1.0, 60), "test")


def history() -> Figure:
    rows = [{"epoch": n, "loss": 1.0 / n, "val gap": 2.0 / n} for n in range(1, 9)]
    rows[4] |= {"loss": 1e6, "val gap": 1e5}
    return plot_history(rows, {"gap": "eV"}, {"gap": "20 crystals"})


def parity() -> Figure:
    items = []
    for seed in range(4):
        forces, stress = random(seed).normal(size=(3, 3)), 0.01 * random(seed).normal(size=(3, 3))
        items.append(
            ComparedConfiguration(
                f"c{seed}", "test", "", 3, -1.0, -1.0 + 9.0 * (seed == 2),
                forces, forces * (-20.0 if seed == 1 else 1.0), stress, 9.0 * stress,
            )
        )  # fmt: skip
    return plot_parity(Comparison(items))


def uf3_pairs() -> list[Figure]:
    return plot_pairs(*equations_of(("Ni", "Cu"), None))


def uf3_triplets() -> list[Figure]:
    three_body = ThreeBodyRange(minimum=1.0, maximum=3.0, intervals=(2, 2, 3))
    return plot_triplets(*equations_of(("Ni", "Cu"), three_body))


def curve(count: int) -> dict[str, float]:
    energy, force = 90.0 / count, 0.2 / count
    return {"configurations": count, "energy_rmse": energy, "force_rmse": force}


def sweep() -> Figure:
    settings = UF3Settings(elements=("Cu",))
    trials = [
        SweepTrial(n, 10.0 * n, 0.1 * n, 1.0, 9e4 if n == 3 else 5.0 * n, 9, settings, n < 3)
        for n in range(1, 6)
    ]
    return plot_sweep(trials, 20)


def map_of_teachers() -> Figure:
    places = random().normal(size=(30, 2))
    places[4] = 50.0
    found = random(1).normal(size=(30, 2))
    found[4] = 1e3
    classes = np.argmin(np.abs(found), axis=1)
    return plot_map(places, Choice(("eam", "lj"), np.zeros((2, 1)), found, classes, 0.01))


def taught() -> Figure:
    rows = [
        {"method": method, "labelled": count, "energy_rmse": 90.0 / count, "force_rmse": size}
        for method, size in (("ours", 0.1), ("baseline", 30.0))
        for count in (5, 10, 40)
    ]
    return plot_learning_curves(rows, 20)


def relaxation() -> RelaxationResult:
    steps = tuple(
        {"step": n, "energy": 0.1 / (1 + n), "largest_force": 2.0**-n, "volume": 47.0}
        for n in range(9)
    )
    steps[3]["energy"], steps[3]["largest_force"] = 70.0, 1e4
    return RelaxationResult(COPPER, 0.0, np.zeros((4, 3)), None, True, steps)


def vacancy() -> Figure:
    return VacancyResult(1.0, 1.2, "Cu", 0, 4, -3.5, relaxation(), COPPER).plot()


def equation_of_state() -> Figure:
    volumes = np.linspace(44.0, 52.0, 9)
    energies = 0.02 * (volumes - 48.0) ** 2
    energies[2] += 0.3
    return fit_birch_murnaghan(volumes, energies, 4, "Cu4").plot()


def elastic() -> Figure:
    constants = np.diag([900.0, 110.0, 110.0, 50.0, 50.0, 50.0])
    return ElasticResult(COPPER, constants, 0.0 * constants, np.zeros((3, 3)), 1e-3, True).plot()


def dynamics() -> Figure:
    log = [
        {"time_fs": 10.0 * n, "temperature_K": 300.0, "potential_eV": 0.1, "conserved_eV": 0.2}
        for n in range(20)
    ]
    log[7] |= {"temperature_K": 9e3, "conserved_eV": -80.0}
    return DynamicsResult(COPPER, 20, True, log, DynamicsSettings(ensemble="nvt")).plot()


def expansion() -> Figure:
    degrees = np.array([0.0, 100.0, 200.0, 900.0])
    values = {
        name: np.array([0.0, 1.0, 2.0, 40.0])
        for name in ("volumes", "expansion", "bulk_modulus", "heat_capacity", "gibbs_energy")
    }
    rest = {name: degrees for name in ("grueneisen", "residuals", "sampled_volumes",
                                       "static_energies")}  # fmt: skip
    return plot_expansion(
        QuasiHarmonic(degrees, **values, **rest, free_energies=np.zeros((4, 4))), title="Ar"
    )


def landscape() -> Figure:
    rows = [
        {"rank": at + 1, "name": f"form {at}", "energy_kJ_mol": energy, "standard_error": 2.0,
         "density": density, "duplicate_of": ""}
        for at, (energy, density) in enumerate([(0.0, 1.4), (1.0, 1.2), (90.0, 0.3)])
    ]  # fmt: skip
    return plot_landscape(Ranking(tuple(rows), "C2H6O", ()), ["form 2"])


FIGURES: dict[str, Callable[[], Figure | list[Figure]]] = {
    "sums.plots.plot_sums": sums,
    "phonons.plots.plot_bands": lambda: [bands(lowest) for lowest in (0.0, -0.09, -3.0)],
    "phonons.plots.plot_thermodynamics": thermal,
    "phonons.expansion.plot_expansion": expansion,
    "polymorphs.plots.plot_landscape": landscape,
    "training.plots.plot_errors": errors,
    "learning.plots.plot_history": history,
    "forcefields.reference.plots.plot_parity": parity,
    "forcefields.splines.plots.plot_meam": lambda: plot_meam(
        SimpleNamespace(potential=random_meam(1))  # type: ignore[arg-type]
    ),
    "forcefields.uf3.plots.plot_pairs": uf3_pairs,
    "forcefields.uf3.plots.plot_triplets": uf3_triplets,
    "forcefields.uf3.plots.plot_learning_curve": lambda: plot_learning_curve(
        [curve(count) for count in (3, 6, 12)], "4 test configurations"
    ),
    "forcefields.uf3.sweep_plots.plot_sweep": sweep,
    "teaching.plots.plot_map": map_of_teachers,
    "teaching.plots.plot_learning_curves": taught,
    "calculations.relax.RelaxationResult.plot": lambda: relaxation().plot(),
    "calculations.vacancy.VacancyResult.plot": vacancy,
    "calculations.equation_of_state.EquationOfState.plot": equation_of_state,
    "calculations.elastic.ElasticResult.plot": elastic,
    "calculations.dynamics.DynamicsResult.plot": dynamics,
}
"""A figure of each function that draws one, named by its module; a new one comes with its line."""
