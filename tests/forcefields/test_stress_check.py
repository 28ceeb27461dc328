"""Stresses beside the energies and forces of the same data: sign, unit and order."""

from __future__ import annotations

import importlib.util
from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from places import SHARED
from typer.testing import CliRunner

from madelung.cli import app
from madelung.common.errors import ForceFieldError
from madelung.forcefields.reference.configurations import Configuration, read_configurations
from madelung.forcefields.uf3.stress_check import require_stresses_of_energies

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("madelung.common._uf3") is None, reason="the native core is not built"
)
CASES = Path(__file__).parent / "cases"
WRONG = {
    -1.0: r"say -1 times as much: they look like stresses with the opposite sign",
    1.0 / 0.00624151: r"say 0.00624151 times as much: they look like stresses in GPa;",
    -1.0 / 0.000624151: r"say -0.000624151 times .* stresses in kB with the opposite sign",
}


def data(name: str = "alloy_train.extxyz.xz") -> list[Configuration]:
    return list(read_configurations(CASES / name))


def other(item: Configuration, factor: float) -> Configuration:
    assert item.stress is not None
    return replace(item, stress=factor * item.stress)


def turned(item: Configuration) -> Configuration:
    """Shear stresses that stand as xy yz zx and are read as yz xz xy."""
    assert item.stress is not None
    stress = np.diag(np.diag(item.stress))
    for place, own in (((1, 2), (0, 1)), ((0, 2), (1, 2)), ((0, 1), (0, 2))):
        stress[place] = stress[place[::-1]] = item.stress[own]
    return replace(item, stress=stress)


@pytest.mark.parametrize("name", ["alloy_train.extxyz.xz", "cu_iso.extxyz.xz"])
def test_right_stresses_are_taken_and_wrong_ones_named(name: str) -> None:
    right = data(name)
    require_stresses_of_energies(right)
    for factor, message in WRONG.items():
        with pytest.raises(ForceFieldError, match=message):
            require_stresses_of_energies(
                [other(item, factor) for item in right if item.stress is not None]
            )
    with pytest.raises(ForceFieldError, match="xx yy zz xy yz zx"):
        require_stresses_of_energies([turned(item) for item in right if item.stress is not None])


def test_energies_alone_tell_a_sign() -> None:
    right = [replace(item, forces=None) for item in data()]
    require_stresses_of_energies(right)
    with pytest.raises(ForceFieldError, match="-1 times as much"):
        require_stresses_of_energies([other(item, -1.0) for item in right])


def test_a_fit_refuses_them(tmp_path: Path) -> None:
    import ase.io

    frames = ase.io.read(CASES / "huge.extxyz", ":20")
    for frame in frames:
        frame.info["wrong"] = -160.2 * frame.get_stress(voigt=False)
        frame.calc.results.pop("stress")
    ase.io.write(tmp_path / "a.extxyz", frames)
    out = ("--out", str(tmp_path / "fit"), "--quiet", "--three-body", "none")
    given = ("fit", "uf3", str(tmp_path / "a.extxyz"), "--stress-key", "wrong")
    result = CliRunner().invoke(app, [*given, *out])
    assert "stresses in GPa with the opposite sign" in str(result.exception)


@pytest.mark.skipif(not (SHARED / "data/forcefields").is_dir(), reason="the data are not at hand")
@pytest.mark.parametrize("name", ["mlearn_Ge_train.extxyz.gz", "mlearn_Si_train.extxyz.gz"])
def test_where_pairs_explain_little_nothing_is_refused(name: str) -> None:
    read = read_configurations(SHARED / "data/forcefields" / name)
    require_stresses_of_energies(islice(read, 60))
