"""What every pair potential of the registry must do."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

import madelung as md
from madelung.forcefields.pairs.complete_pairs import CompletePairs
from madelung.forcefields.pairs.pair_terms import parse_potential, potential_text
from madelung.sums.base import as_combination
from madelung.sums.names import potential_from_name, potential_usages
from madelung.sums.potentials import POTENTIALS, POTENTIALS_BY_NAME

kinds = pytest.mark.parametrize("kind", POTENTIALS, ids=lambda kind: kind.naming.name)


@pytest.mark.slow
@kinds
def test_it_is_sound(kind: Any) -> None:
    """Terms, bounds, completeness, invariances and derivatives."""
    checks = md.validate_potential(kind(*kind.naming.typical))
    assert len(checks) >= 11


@kinds
def test_its_name_makes_it(kind: Any) -> None:
    naming = kind.naming
    made = kind(*naming.typical)
    for name in (naming.name, *naming.aliases):
        text = ":".join([name, *map(repr, naming.typical)])
        named = potential_from_name(text)
        assert type(named.potential) is kind and repr(named.potential) == repr(made)
        assert repr(potential_from_name(named.name).potential) == repr(made)
        assert "{" not in named.title
    assert naming.usage in " ".join(usage for usage, _ in potential_usages())
    with pytest.raises(md.PotentialError, match=f"write {naming.usage}"):
        potential_from_name(":".join([naming.name, *["1"] * (len(naming.parameters) + 1)]))
    with pytest.raises(md.PotentialError, match=naming.name):
        potential_from_name(naming.name + "x")


@kinds
def test_files_of_force_fields_hold_it(kind: Any, tmp_path: Any) -> None:
    made = kind(*kind.naming.typical)
    again = parse_potential(potential_text(made))
    r = np.linspace(0.7, 5.0, 20)
    np.testing.assert_allclose(again(r), made(r), rtol=1e-14)
    field = CompletePairs({"Ar-Ar": made})
    found = md.load_force_field(field.save(tmp_path / "field.json"))
    dimer = md.Crystal(np.zeros((3, 3)), [[0.0, 0, 0], [0.0, 0, 2.9]], [18, 18], pbc=False)
    evaluation = found.evaluate(dimer)
    assert evaluation.energy == pytest.approx(float(made(2.9)), rel=1e-13)
    step = 1e-5
    slope = (float(made(2.9 + step)) - float(made(2.9 - step))) / (2.0 * step)
    assert evaluation.forces[1, 2] == pytest.approx(-slope, rel=1e-6)


@kinds
def test_its_parameters_can_be_learnt(kind: Any) -> None:
    values = kind.naming.typical
    if not values:
        pytest.skip("it has no parameter")
    leaves = [torch.tensor(value, dtype=torch.float64, requires_grad=True) for value in values]
    crystal = md.example("NaCl")

    def total(*parameters: Any) -> Any:
        return md.complete_sums(crystal, kind(*parameters), tolerance=1e-11).values[0].sum()

    slopes = torch.autograd.grad(total(*leaves), leaves)
    for place, slope in enumerate(slopes):
        step = 1e-4 * values[place]
        ends = [
            float(total(*(v + sign * step * (i == place) for i, v in enumerate(values))))
            for sign in (1, -1)
        ]
        numeric = (ends[0] - ends[1]) / (2.0 * step)
        assert float(slope) == pytest.approx(numeric, rel=1e-5, abs=1e-7)


def test_names_differ() -> None:
    names = [name for kind in POTENTIALS for name in (kind.naming.name, *kind.naming.aliases)]
    assert len(set(names)) == len(names)
    assert list(POTENTIALS_BY_NAME) == [kind.naming.name for kind in POTENTIALS]
    for kind in POTENTIALS:
        assert len(kind.naming.typical) == len(kind.naming.parameters)
        for _, term in as_combination(kind(*kind.naming.typical)).terms:
            assert term.family in POTENTIALS


class _Wrong(md.Yukawa):
    """Yukawa's potential with one mistake."""

    kernel = None

    def __init__(self, mistake: str) -> None:
        super().__init__(1.2)
        self.mistake = mistake

    def energy(self, r: Any) -> Any:
        return super().energy(r) * (1.01 if self.mistake == "v" else 1.0)

    def real(self, r2: Any, splitting: Any) -> Any:
        return super().real(r2, splitting) * (1.01 if self.mistake == "f" else 1.0)

    def reciprocal(self, k2: Any, splitting: Any, volume: Any) -> Any:
        return super().reciprocal(k2, splitting, volume) * (1.01 if self.mistake == "w" else 1.0)

    def background(self, splitting: Any, volume: Any) -> Any:
        return super().background(splitting, volume) * (1.01 if self.mistake == "w0" else 1.0)

    def self_term(self, splitting: Any) -> Any:
        return super().self_term(splitting) * (1.01 if self.mistake == "L0" else 1.0)

    def log_derivative(self, r: Any, splitting: Any, direct: bool) -> Any:
        right = super().log_derivative(r, splitting, direct)
        return right * (0.5 if self.mistake == "slope" else 1.0)


@pytest.mark.slow
@pytest.mark.parametrize("mistake", ["v", "f", "w", "w0", "L0", "slope"])
def test_a_mistake_is_found(mistake: str) -> None:
    with pytest.raises(md.PotentialError, match="checks fail"):
        md.validate_potential(_Wrong(mistake))
    md.validate_potential(_Wrong("none"))
