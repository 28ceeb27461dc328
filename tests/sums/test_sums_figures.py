"""Pictures of complete sums: elements at the axes, units with superscripts, readable numbers."""

from __future__ import annotations

import ase.build
import numpy as np

import madelung as md


def drawn(repeat: int) -> tuple[list[str], list[list[str]], str]:
    crystal = md.Crystal.from_ase(ase.build.bulk("NaCl", "rocksalt", 5.64, cubic=True) * repeat)
    values = np.random.default_rng(0).normal(size=(2, len(crystal), len(crystal)))
    values[1] = np.exp(4.0 * values[1])
    figure = md.plot_sums(crystal, values, ["London (Å^-6)", "r^-3.5 (Å^-3.5)"])
    figure.canvas.draw()
    labels = [[label.get_text() for label in axes.get_xticklabels()] for axes in figure.axes]
    numbers = [text.get_text() for text in figure.axes[0].texts]
    return numbers, labels, "".join(axes.get_title() for axes in figure.axes)


def test_a_small_crystal_has_elements_at_its_axes_and_superscripts() -> None:
    numbers, labels, titles = drawn(1)
    assert labels[0].count("Na") == 4 and labels[0].count("Cl") == 4
    assert titles == "London (Å⁻⁶)r$^{-3.5}$ (Å$^{-3.5}$)"
    assert not any(text.strip("-−0.") == "" and text[0] in "-−" for text in numbers)


def test_a_large_crystal_has_blocks_of_elements_and_no_unreadable_numbers() -> None:
    numbers, labels, _ = drawn(2)
    assert numbers == []
    assert [text for text in labels[0] if text] == ["Na (32)", "Cl (32)"]
