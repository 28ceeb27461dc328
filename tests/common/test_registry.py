"""Registries: names, other names, entries that are imported late, and unknown names."""

import math

import pytest

from madelung.common.errors import DatasetError
from madelung.common.registry import Registry, did_you_mean, imported


@pytest.fixture
def registry() -> Registry[object]:
    entries = {"square": 4, "triangle": 3, "circle": "math:tau"}
    return Registry("shape", entries, DatasetError, aliases={"disc": "circle"})


def test_entries_are_found_and_listed_in_order(registry: Registry[object]) -> None:
    assert list(registry) == ["square", "triangle", "circle"] and len(registry) == 3
    assert registry.listed == "square, triangle, circle"
    assert registry.find("square") == 4
    assert registry.find("circle") == registry.find("disc") == math.tau
    assert "disc" in registry and "line" not in registry


def test_an_unknown_name_is_answered_with_the_nearest(registry: Registry[object]) -> None:
    with pytest.raises(DatasetError) as caught:
        registry.find("triangel", "a.yaml")
    assert str(caught.value) == (
        "a.yaml: unknown shape 'triangel'; is it triangle? choose from square, triangle, circle"
    )
    with pytest.raises(DatasetError, match="unknown shape None; choose from"):
        registry.find(None)


def test_near_names() -> None:
    assert did_you_mean("Yukava", ["yukawa", "pauli"]) == "is it yukawa? "
    assert did_you_mean("gravity", ["yukawa", "pauli"]) == ""


def test_what_stands_inside_of_a_class_is_imported() -> None:
    assert imported("fractions:Fraction.from_float")(0.5).denominator == 2
