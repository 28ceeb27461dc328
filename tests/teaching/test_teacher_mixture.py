"""The mixture of teachers: better than any of them, with errors that it knows."""

from __future__ import annotations

import ase.build
import numpy as np
import pytest
from ase.calculators.emt import EMT
from ase.calculators.lj import LennardJones
from places import SHARED

from madelung.common.errors import ForceFieldError
from madelung.crystals.crystal import Crystal
from madelung.forcefields.reference.configurations import read_configurations
from madelung.teaching.choice import choose_teachers
from madelung.teaching.descriptors import describe, principal_components
from madelung.teaching.labels import TeacherLabels
from madelung.teaching.mixture import fit_mixture
from madelung.teaching.tables import read_energy_table

DATA = SHARED / "data" / "forcefields"


def rms(values: np.ndarray) -> float:
    return float(np.sqrt(np.mean(values**2)))


def labels_of(per_atom: np.ndarray, counts: np.ndarray) -> TeacherLabels:
    return TeacherLabels(
        teachers=tuple(f"teacher {number}" for number in range(per_atom.shape[1])),
        ids=tuple(f"c{number}" for number in range(len(per_atom))),
        elements=(29,),
        compositions=counts[:, None],
        energies=per_atom * counts[:, None],
    )


@pytest.fixture
def regions() -> tuple[TeacherLabels, np.ndarray, np.ndarray]:
    """Two teachers, each right in half of the space, one that is always off, one that is noise."""
    random = np.random.default_rng(0)
    place = random.uniform(-1.0, 1.0, 300)
    counts = random.integers(1, 9, 300)
    truth = np.sin(3.0 * place)
    wrong = 0.4 * random.normal(size=(300, 2))
    energies = np.stack(
        [
            truth + np.where(place < 0.0, 0.0, wrong[:, 0]) + 3.0,
            truth + np.where(place < 0.0, wrong[:, 1], 0.0) - 1.0,
            truth * 0.5,
            random.normal(size=300),
        ],
        axis=1,
    )
    return labels_of(energies, counts), truth * counts, np.stack([place, 0.1 * place**2], axis=1)


def test_the_gate_finds_who_is_right_where(
    regions: tuple[TeacherLabels, np.ndarray, np.ndarray],
) -> None:
    labels, reference, descriptors = regions
    labelled, others = np.arange(100), np.arange(100, 300)
    mixture = fit_mixture(labels, reference, labelled, descriptors=descriptors)
    errors = (mixture.energies - reference)[others] / labels.counts[others]
    plain = fit_mixture(labels, reference, labelled, gated=False)
    plain_errors = (plain.energies - reference)[others] / labels.counts[others]
    single = choose_teachers(labels, reference).table()
    assert rms(errors) < 0.5 * rms(plain_errors)
    assert 1000.0 * rms(errors) < 0.3 * min(row.rms for row in single[:4])
    np.testing.assert_allclose(mixture.weights.sum(1), 1.0)
    scaled = np.abs(errors) / mixture.standard_errors_per_atom[others]
    assert 0.5 < (scaled < 1.0).mean() < 0.9
    assert (scaled < 2.0).mean() > 0.85
    np.testing.assert_array_equal(mixture.labelled_indices, labelled)


def test_what_is_not_labelled_is_not_looked_at(
    regions: tuple[TeacherLabels, np.ndarray, np.ndarray],
) -> None:
    labels, reference, descriptors = regions
    labelled = np.arange(0, 300, 10)
    hidden = np.full(300, np.nan)
    hidden[labelled] = reference[labelled]
    one = fit_mixture(labels, reference, labelled, descriptors=descriptors)
    other = fit_mixture(labels, hidden, descriptors=descriptors)
    np.testing.assert_array_equal(one.energies, other.energies)
    np.testing.assert_array_equal(one.standard_errors, other.standard_errors)


def test_left_out_errors_are_those_of_fits_without(
    regions: tuple[TeacherLabels, np.ndarray, np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the same covariances and shifts, errors left out are those of fits without a row."""
    from madelung.teaching.varying_weights import VaryingWeights, choose_covariances

    random = np.random.default_rng(3)
    x, u, targets = random.normal(size=(30, 3)), random.normal(size=(30, 2)), random.normal(size=30)
    (covariance,) = choose_covariances(x, u, targets, count=1, varying=True, random=random)
    model = VaryingWeights(covariance, x, u, targets, np.arange(30))
    predicted, variance = model.left_out()
    for row in (0, 7, 29):
        rest = np.delete(np.arange(30), row)
        # The size of the noise is relative to the targets' mean square.
        scale = np.mean(targets**2) / np.mean(targets[rest] ** 2)
        without = VaryingWeights(covariance, x[rest], u[rest], targets[rest], np.arange(29))
        found = without.predict(x[[row]], u[[row]])
        assert found.mean[0] == pytest.approx(predicted[row], abs=1e-5)
        assert scale * found.variance[0] == pytest.approx(variance[row], rel=1e-4)


def test_labels_that_are_none(regions: tuple[TeacherLabels, np.ndarray, np.ndarray]) -> None:
    labels, reference, descriptors = regions
    mask = np.zeros(labels.energies.shape, dtype=bool)
    mask[5], mask[20, 0], mask[150, 1] = True, True, True
    # The last teacher has labels only where there is no reference, and alone for one of them.
    mask[:100, 3] = True
    mask[200, :3] = True
    partly = labels.without(mask, {(5, 0): "died"})
    mixture = fit_mixture(partly, reference, np.arange(100), descriptors=descriptors)
    for values in (mixture.energies, mixture.standard_errors):
        np.testing.assert_array_equal(np.flatnonzero(np.isnan(values)), [5, 200])
    assert not mixture.weights[mask].any()
    np.testing.assert_allclose(np.delete(mixture.weights, [5, 200], axis=0).sum(1), 1.0)
    assert 5 not in mixture.labelled_indices
    with pytest.raises(ForceFieldError, match="a mixture needs 5 labelled"):
        fit_mixture(partly, reference, np.arange(4))
    with pytest.raises(ForceFieldError, match="do not fit 300"):
        fit_mixture(partly, reference, descriptors=descriptors[:20])


def test_teachers_that_agree_are_one_teacher() -> None:
    random = np.random.default_rng(0)
    truth = random.normal(size=20)
    labels = labels_of(np.stack([truth + 1.0, truth - 2.0], axis=1), np.ones(20, dtype=int))
    mixture = fit_mixture(labels, truth, np.arange(10))
    np.testing.assert_allclose(mixture.energies, truth, atol=1e-6)


def copper() -> tuple[list[Crystal], np.ndarray, list[np.ndarray], TeacherLabels]:
    """Copper whose reference is a mixture of two calculators."""
    random = np.random.default_rng(1)
    structures, energies, forces = [], [], []
    for _ in range(16):
        atoms = ase.build.bulk("Cu", cubic=True)
        atoms.positions += random.normal(scale=0.1, size=atoms.positions.shape)
        structures.append(Crystal.from_ase(atoms))
        found = [
            (own.get_potential_energy(), own.get_forces())
            for own in (_with(atoms, EMT()), _with(atoms, LennardJones(sigma=2.2, epsilon=0.2)))
        ]
        energies.append([energy for energy, _ in found])
        forces.append(np.stack([force for _, force in found]))
    values = np.array(energies)
    labels = TeacherLabels(
        ("emt", "lj"), tuple(map(str, range(16))), (29,), np.full((16, 1), 4), values, tuple(forces)
    )
    reference = 0.7 * values[:, 0] + 0.3 * values[:, 1] + 5.0
    return (
        structures,
        reference,
        [np.einsum("t,tnk->nk", [0.7, 0.3], own) for own in forces],
        labels,
    )


def _with(atoms: ase.Atoms, calculator: object) -> ase.Atoms:
    own = atoms.copy()
    own.calc = calculator
    return own


def test_forces_are_those_of_the_mixed_energy() -> None:
    _, reference, forces, labels = copper()
    mixture = fit_mixture(labels, reference, np.arange(10), gated=False)
    np.testing.assert_allclose(mixture.energies, reference, atol=0.02)
    np.testing.assert_allclose(mixture.weights[:10], [[0.7, 0.3]] * 10, atol=0.02)
    for found, wanted in zip(mixture.forces(labels), forces, strict=True):
        assert rms(found - wanted) < 0.05 * rms(wanted)
    other = labels.select(np.arange(3))
    with pytest.raises(ForceFieldError, match="other configurations"):
        mixture.forces(other)


def test_descriptors_know_symmetry_and_elements() -> None:
    structures, *_ = copper()
    crystal = structures[0]
    alloy = Crystal(crystal.cell, crystal.positions, [29, 28, 29, 29])
    rows = describe([crystal, crystal.repeat(2), alloy, alloy.repeat([2, 1, 1])], [28, 29])
    assert rows.shape == (4, 4 * 48)
    np.testing.assert_allclose(rows[0], rows[1], atol=1e-10)
    np.testing.assert_allclose(rows[2], rows[3], atol=1e-10)
    assert np.abs(rows[0] - rows[2]).max() > 0.1
    places = principal_components(describe(structures, [29]), 2)
    assert places.shape == (16, 2)
    assert np.var(places[:, 0]) >= np.var(places[:, 1])
    with pytest.raises(ForceFieldError, match="not among those"):
        describe([alloy], [29])


@pytest.mark.slow
def test_copper_from_a_table() -> None:
    """A quarter of the configurations labelled: better than the best teacher on the others."""
    table = DATA / "Cu_eip_energies.csv.gz"
    if not table.is_file():
        pytest.skip("the shared table of copper is not here")
    files = [DATA / f"mlearn_Cu_{part}.extxyz.gz" for part in ("train", "test")]
    configurations = list(read_configurations(files))
    labels = read_energy_table(table, configurations)
    reference = np.array([item.energy for item in configurations])
    descriptors = describe((item.crystal for item in configurations), labels.elements)
    order = np.random.default_rng(0).permutation(len(labels))
    labelled, others = order[:73], order[73:]
    mixture = fit_mixture(labels, reference, labelled, descriptors=descriptors)
    errors = 1000.0 * (mixture.energies - reference)[others] / labels.counts[others]
    single = choose_teachers(labels, reference, labelled_indices=labelled).table()
    assert rms(errors) < 0.7 * min(row.rms for row in single[:-1])
    scaled = np.abs(errors) / (1000.0 * mixture.standard_errors_per_atom[others])
    assert 0.55 < (scaled < 1.0).mean() < 0.95
