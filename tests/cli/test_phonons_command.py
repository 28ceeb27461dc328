"""``madelung phonons``: tables, files, pictures, comparisons, training, and what goes wrong."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import ase.build
import ase.io
import numpy as np
import phonopy
import pytest
from commands import run_command
from phonon_cases import metal, write_shard

from madelung.forcefields.pairs.complete_pairs import CompletePairs
from madelung.phonons.files import write_phonopy
from madelung.phonons.force_constants import force_constants_of


def table(path: Path) -> list[dict[str, str]]:
    with path.open() as stream:
        return list(csv.DictReader(stream))


def test_a_line_for_each_crystal() -> None:
    done = run_command("phonons", "example:NaCl", "example:SiO2")
    assert done.returncode == 0, done.stderr
    lines = [line for line in done.stdout.splitlines() if not line.startswith("  warning")]
    assert [line.split()[:2] for line in lines] == [
        ["example:NaCl", "Na4Cl4"], ["example:SiO2", "Si3O6"],
    ]  # fmt: skip
    assert all("±" in line and "THz" in line and "meV/atom" in line for line in lines)


def test_numbers_of_rock_salt_are_near_to_measured_ones() -> None:
    """CODATA's heat capacity and entropy of NaCl at 298 K: 50.5 and 72.1 J/(K mol)."""
    (row,) = json.loads(run_command("phonons", "example:NaCl", "--json").stdout)
    assert row["stable"] and row["heat_capacity"] == pytest.approx(50.5 / 2, rel=0.06)
    assert row["entropy"] == pytest.approx(72.1 / 2, rel=0.06)


def test_of_may_be_left_out_and_help_is_there() -> None:
    assert run_command("phonons", "of", "example:CsCl", "--json").returncode == 0
    assert run_command("phonons", "--json", "example:CsCl").returncode == 0
    assert "--temperatures" in run_command("phonons", "of", "--help").stdout
    assert "compare" in run_command("phonons", "--help").stdout
    assert "--held-out-compositions" in run_command("phonons", "train", "--help").stdout


@pytest.mark.slow
def test_a_bad_crystal_is_counted_and_the_others_go_on(tmp_path: Path) -> None:
    (tmp_path / "bad.cif").write_text("no crystal")
    ase.io.write(tmp_path / "a.cif", ase.build.bulk("NaCl", "rocksalt", a=5.6))
    ase.io.write(tmp_path / "large.cif", ase.build.bulk("Si", cubic=True) * (4, 4, 3))
    done = run_command("phonons", tmp_path, "--csv", "--out", tmp_path / "out.csv")
    assert done.returncode == 0
    rows = table(tmp_path / "out.csv")
    by_file = {Path(row["file"]).name: row for row in rows}
    assert by_file["a.cif"]["error"] == "" and by_file["bad.cif"]["error"]
    assert "--max-atoms" in by_file["large.cif"]["error"]
    assert "1 of 3 crystals calculated, 2 not used" in done.stderr
    assert run_command("phonons", tmp_path, "--strict").returncode == 1
    assert run_command("phonons", tmp_path / "bad.cif").returncode == 1


@pytest.mark.slow
@pytest.mark.pictures
def test_pictures_and_files_of_a_crystal(tmp_path: Path) -> None:
    done = run_command(
        "phonons", "example:NaCl", "--out", tmp_path, "--bands", "--dos", "--nac",
        "--temperatures", "0:300:50", "--supercell", 3, 3, 3, "--write", "phonopy,born",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {
        "phonons.txt", "bands.csv", "bands.json", "bands.png", "density-of-states.csv",
        "thermodynamics.csv", "thermodynamics.png", "phonopy_params.yaml", "BORN",
    }  # fmt: skip
    assert all((tmp_path / name).stat().st_size > 0 for name in names)
    rows = table(tmp_path / "bands.csv")
    assert {"mode_6", "mode_6_90", "distance"} <= set(rows[0])
    # Longitudinal modes at Γ lie above transverse ones.
    assert float(rows[0]["mode_6"]) > float(rows[0]["mode_5"]) + 0.5
    heat = table(tmp_path / "thermodynamics.csv")
    assert [row["temperature_K"] for row in heat][:2] == ["0.0", "50.0"]
    phonon = phonopy.load(tmp_path / "phonopy_params.yaml", log_level=0)
    assert phonon.nac_params is not None and len(phonon.supercell) == 54


@pytest.mark.slow
def test_pictures_need_a_folder_and_temperatures_a_range(tmp_path: Path) -> None:
    assert "--out" in run_command("phonons", "example:NaCl", "--bands").stderr
    for text in ("5:1:1", "a:b:c", "0:100:0", "-5:10:1", "0:1e9:0.001"):
        done = run_command("phonons", "example:NaCl", "--out", tmp_path, "--temperatures", text)
        assert done.returncode == 2 and "--temperatures" in done.stderr
    done = run_command("phonons", "example:NaCl", "--out", tmp_path, "--write", "poem")
    assert done.returncode == 1 and "cannot be written" in done.stderr


@pytest.mark.slow
def test_a_force_field_by_displacements(tmp_path: Path) -> None:
    CompletePairs({"Ar-Ar": "lennard-jones:0.0104:3.4"}).save(tmp_path / "argon.json")
    ase.io.write(tmp_path / "argon.cif", ase.build.bulk("Ar", a=5.24))
    done = run_command(
        "phonons", tmp_path / "argon.cif", "--force-field", tmp_path / "argon.json",
        "--supercell", 3, 3, 3, "--json",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    (row,) = json.loads(done.stdout)
    assert row["maximum_90"] is None and 1.5 < row["maximum"] < 2.5
    assert row["unstable_probability"] is None


@pytest.fixture(scope="module")
def calculated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("calculated")
    write_phonopy(force_constants_of(metal("Cu")), folder, (4, 4, 4), ["phonopy"])
    return folder / "phonopy_params.yaml"


@pytest.mark.slow
def test_a_calculation_is_compared_with(calculated: Path, tmp_path: Path) -> None:
    done = run_command("phonons", "compare", calculated, "--out", tmp_path, "--json")
    assert done.returncode == 0, done.stderr
    errors = json.loads(done.stdout)
    assert set(errors) == {
        "frequency_THz", "maximum_THz", "free_energy_meV_per_atom", "entropy_J_per_K_mol",
        "heat_capacity_J_per_K_mol",
    }  # fmt: skip
    assert 0.0 < errors["frequency_THz"] < 3.0
    assert (tmp_path / "bands.png").is_file()


@pytest.mark.slow
def test_a_calculation_is_fitted(calculated: Path, tmp_path: Path) -> None:
    done = run_command("phonons", "fit", calculated, "--out", tmp_path, "--json")
    row = json.loads(done.stdout)
    phonon = phonopy.load(calculated, log_level=0)
    phonon.run_mesh(40.0)
    assert row["maximum"] == pytest.approx(phonon.mesh.frequencies.max(), rel=1e-4)
    wrong = run_command("phonons", "fit", tmp_path / "bands.csv", "--out", tmp_path)
    assert wrong.returncode == 1 and "bands.csv" in wrong.stderr


OWN = ("Cu", "Ag", "Au", "Al")
"""What a model of one's own learns, and is judged by."""


@pytest.mark.slow
def test_a_model_of_ones_own(tmp_path: Path) -> None:
    shard = tmp_path / "metals.npz.xz"
    write_shard(shard, [metal(symbol) for symbol in OWN])
    (tmp_path / "held.json").write_text(json.dumps({"compositions": ["Al"]}))
    words = [
        "phonons", "train", shard, "--held-out-compositions", tmp_path / "held.json",
        "--out", tmp_path / "run",
        "--networks", 2, "--epochs", 3, "--features", 16, "--layers", 1, "--channels", 2, "--quiet",
    ]  # fmt: skip
    done = run_command(*words)
    assert done.returncode == 0, done.stderr
    assert run_command(*words).returncode == 1
    assert run_command(*words, "--resume").returncode == 0
    out = tmp_path / "judged"
    done = run_command(
        "phonons", "evaluate", shard, "--model", tmp_path / "run", "--out", out, "--json"
    )
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["crystals"] == len(OWN)
    assert {"frequency_mean", "F300", "stability_accuracy"} <= set(report["errors"])
    rows = table(out / "predictions.csv")
    assert len(rows) == len(OWN)
    assert np.isfinite([float(row["frequency_error"]) for row in rows]).all()


def test_the_card_of_the_model_is_shown() -> None:
    shown = run_command("models", "phonons")
    assert shown.returncode == 0 and "mean errors of" in shown.stdout
    card = json.loads(run_command("models", "phonons", "--json").stdout)
    assert card["kind"] == "phonons" and card["members"] >= 2
    assert "'phonons'" in run_command("models").stdout
