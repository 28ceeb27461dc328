"""Crystals that two collections share, and stores combined without them."""

import csv
import itertools
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from data_files import sample
from typer.testing import CliRunner

import madelung as md
from madelung.cli.data import app
from madelung.common.errors import DatasetError
from madelung.data import combining, matching
from madelung.data.combining import MATCHES_FILE, HeldOut, Source, combine_sources, combine_stores
from madelung.data.matching import Match, find_matches, reduced_formula
from madelung.data.records import DatasetInfo, Record, Target
from madelung.data.store import CrystalStore, write_store


def repeated(crystal: md.Crystal) -> md.Crystal:
    return crystal.repeat((2, 1, 1))


def rotated(crystal: md.Crystal) -> md.Crystal:
    turn, _ = np.linalg.qr(np.random.default_rng(1).normal(size=(3, 3)))
    return replace(crystal, cell=crystal.cell @ turn, positions=crystal.positions @ turn)


def permuted(crystal: md.Crystal) -> md.Crystal:
    order = np.random.default_rng(2).permutation(len(crystal))
    moved = crystal.positions[order] + 0.3 * crystal.cell[0] + 0.1 * crystal.cell[2]
    return replace(crystal, positions=moved, numbers=crystal.numbers[order], charges=None)


def strained(crystal: md.Crystal) -> md.Crystal:
    """Another volume, and 1 % longer along one direction than along another."""
    stretch = 1.03 * np.diag([1.01, 1.0, 1.0])
    return replace(crystal, cell=crystal.cell @ stretch, positions=crystal.positions @ stretch)


def sheared(crystal: md.Crystal) -> md.Crystal:
    """The same crystal in a cell of other vectors."""
    return replace(crystal, cell=np.array([[1, 0, 0], [2, 1, 0], [0, -1, 1]]) @ crystal.cell)


def of(cell: Any, symbols: str, places: Any) -> md.Crystal:
    """A crystal by fractional coordinates."""
    numbers = [md.Crystal.from_ase(_atom(symbol)).numbers[0] for symbol in symbols.split()]
    return md.Crystal(cell=cell, positions=np.asarray(places) @ np.asarray(cell), numbers=numbers)


def _atom(symbol: str) -> Any:
    from ase import Atoms

    return Atoms(symbol, cell=np.eye(3), pbc=True)


def anatase() -> md.Crystal:
    cell = np.array([[3.784, 0, 0], [0, 3.784, 0], [1.892, 1.892, 4.757]])
    titanium = np.array([[0, 0, 0], [0, 1.892, 2.3785]])
    oxygen = np.concatenate([titanium + np.array([0, 0, height]) for height in (1.98, -1.98)])
    return md.Crystal(
        cell=cell, positions=np.concatenate([titanium, oxygen]), numbers=[22] * 2 + [8] * 4
    )


@pytest.mark.slow
@pytest.mark.parametrize("variant", [repeated, rotated, permuted, strained, sheared])
def test_a_crystal_matches_itself_in_another_form(
    tmp_path: Path, variant: Callable[[md.Crystal], md.Crystal]
) -> None:
    records = [record for record in sample(tmp_path, 60) if len(record.crystal) <= 16]
    others = [Record(f"other-{each.id}", variant(each.crystal)) for each in records]
    found = find_matches(records, others)
    own = {(match.left, match.right) for match in found if match.right == f"other-{match.left}"}
    assert len(records) > 20 and len(own) == len(records)
    assert not any(match.note for match in found)


@pytest.mark.slow
def test_what_is_found_is_what_whole_comparisons_find(tmp_path: Path) -> None:
    from pymatgen.core.structure_matcher import StructureMatcher

    records = sample(tmp_path, 600)
    found = {(match.left, match.right) for match in find_matches(iter(records), records)}
    matcher, expected, compared = StructureMatcher(), set(), 0
    structures = {each.id: replace(each.crystal, charges=None).to_pymatgen() for each in records}
    ordered = sorted(records, key=lambda record: reduced_formula(record.crystal))
    for _, group in itertools.groupby(ordered, lambda record: reduced_formula(record.crystal)):
        names = [record.id for record in group]
        for left, right in itertools.product(names, names):
            compared += left != right
            pair = (structures[left], structures[right])
            if left == right or matcher.fit(*pair) or matcher.fit(*pair[::-1]):
                expected.add((left, right))
    assert found == expected
    assert compared > 20 and len(found) < len(records) + compared


def test_polymorphs_and_other_formulas_do_not_match() -> None:
    rutile = md.example("TiO2")
    salt = md.example("NaCl")
    packed = of(3.3 * np.eye(3), "Na Cl", [[0, 0, 0], [0.5, 0.5, 0.5]])
    potassium = replace(salt, numbers=np.where(salt.numbers == 11, 19, 17), charges=None)
    left = [Record("rutile", rutile), Record("salt", salt)]
    right = [Record("anatase", anatase()), Record("packed", packed), Record("KCl", potassium)]
    assert reduced_formula(rutile) == reduced_formula(anatase()) == "TiO2"
    assert reduced_formula(salt) == reduced_formula(packed) == "NaCl"
    assert find_matches(left, right) == []
    again = [*right, Record("rutile-2", repeated(rutile)), Record("salt-2", rotated(salt))]
    assert find_matches(left, again) == [
        Match("rutile", "rutile-2", "TiO2"),
        Match("salt", "salt-2", "NaCl"),
    ]
    assert find_matches([Record("a", anatase())], again) == [Match("a", "anatase", "TiO2")]


def test_what_cannot_be_compared_counts_as_a_match(monkeypatch: pytest.MonkeyPatch) -> None:
    rutile = Record("rutile", md.example("TiO2"))
    (match,) = find_matches([rutile], [Record("again", rotated(rutile.crystal))], largest=5)
    assert match.note == "not compared: primitive cells of 6 atoms"

    # What is written in the same numbers needs no comparison.
    assert find_matches([rutile], [rutile], largest=5) == [Match("rutile", "rutile", "TiO2")]
    flat = replace(rutile.crystal, cell=np.ones((3, 3)))
    (match,) = find_matches([rutile], [Record("flat", flat)])
    assert match.formula == "TiO2" and "flat has no reduced cell" in match.note
    monkeypatch.setattr(matching, "_LARGEST_REDUCED", 6)
    (match,) = find_matches([rutile], [Record("big", repeated(rutile.crystal))])
    assert match.note == "not compared: big has 12 atoms"

    def fail(*_: Any, **__: Any) -> bool:
        raise ValueError("no lattice")

    from pymatgen.core.structure_matcher import StructureMatcher

    monkeypatch.setattr(StructureMatcher, "fit", fail)
    turned = Record("turned", rotated(rutile.crystal))
    found = find_matches([rutile], [rutile, turned])
    assert [match.note for match in found] == ["", "not compared: no lattice"]


def test_without_pymatgen_the_message_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pymatgen.core.structure_matcher", None)
    with pytest.raises(DatasetError, match=r"pip install 'madelung\[pymatgen\]'"):
        find_matches([], [])


SALT, RUTILE, ZINC, QUARTZ = (md.example(name) for name in ("NaCl", "TiO2", "ZnS", "SiO2"))


@pytest.fixture
def first(tmp_path: Path) -> CrystalStore:
    """A source with a split for one of its targets, and a default split."""
    records = [
        Record("a", SALT, {"gap": 8.5, "bulk": 100.0}, {"gap": "train", "split": "val"}),
        Record("b", RUTILE, {"gap": 3.0, "bulk": -2.0}, {"gap": "val", "split": "train"}),
        Record("c", ZINC, {"gap": 3.6}, {"gap": "test"}),
        Record("d", QUARTZ, {"bulk": 10.0, "other": 1.0}, {"split": "train", "gap": "train"}),
        Record("e", anatase(), {}, {"split": "train"}),
    ]
    info = DatasetInfo("one", "CC0", "here", "A", (Target("bulk", "GPa", "bulk modulus"),))
    return write_store(records, tmp_path / "first", info, default_split="split")


@pytest.fixture
def second(tmp_path: Path) -> CrystalStore:
    """A source without splits, that has an id of the first."""
    records = [
        Record("a", repeated(RUTILE), {"gap": 3.1}),
        Record("z", rotated(SALT), {"gap": 8.4, "mass": 1.0}),
    ]
    return write_store(records, tmp_path / "second", DatasetInfo("two", "CC0", "there", "B"))


def test_a_combined_store_keeps_values_and_splits(
    tmp_path: Path, first: CrystalStore, second: CrystalStore
) -> None:
    sources = [Source("one", first, ("gap", "bulk")), Source("two", second)]
    made = combine_stores(sources, tmp_path / "both", log10=["bulk"])
    store = {record.id: record for record in made.store}
    assert list(store) == ["one/a", "b", "c", "d", "two/a", "z"]
    assert store["one/a"].targets == {"gap": 8.5, "log10_bulk": 2.0}
    assert store["one/a"].splits == {"gap": "train", "log10_bulk": "val"}
    assert store["b"].targets == {"gap": 3.0} and store["b"].splits == {"gap": "val"}
    assert store["d"].targets == {"log10_bulk": 1.0}  # and no split of a target it lacks
    assert store["d"].splits == {"log10_bulk": "train"}
    assert store["z"].splits == {"gap": "train", "mass": "train"}
    np.testing.assert_array_equal(store["two/a"].crystal.positions, second[0].crystal.positions)
    assert set(made.store.target_names) == set(made.store.split_names)
    described = {target.name: target for target in made.store.info.targets}
    assert described["log10_bulk"].unit == "log10(GPa)"
    assert (made.store.info.licence, made.store.info.citation) == ("CC0", "A; B")
    assert made.sources["one"] == {"crystals": 5, "records": 4, "held_out": 0}
    assert (tmp_path / "both" / MATCHES_FILE).read_text().count("\n") == 1


def test_held_out_crystals_are_not_trained_on(
    tmp_path: Path, first: CrystalStore, second: CrystalStore
) -> None:
    tested = write_store(
        [Record("t", strained(ZINC), {"x": 1.0}), Record("u", repeated(SALT), {"x": 2.0})],
        tmp_path / "tested",
        DatasetInfo("tested"),
    )
    held_out = [HeldOut("gap", first, "gap"), HeldOut("tested", tested)]
    sources = [Source("one", first), Source("two", second)]
    made = combine_stores(sources, tmp_path / "both", held_out=held_out)
    splits = {record.id: dict(record.splits) for record in made.store}
    assert splits == {
        "one/a": {"bulk": "val"},  # its crystal is tested elsewhere
        "b": {"gap": "val"},  # it is held out itself
        "c": {"gap": "test"},
        "d": {"bulk": "train", "other": "train"},
        "two/a": {},  # a supercell of b
        "z": {},
    }
    assert made.store.values("gap")[list(made.store.ids).index("z")] == 8.4
    with (tmp_path / "both" / MATCHES_FILE).open(newline="") as stream:
        rows = {
            (row["id"], row["matched_id"], row["held_out_set"]) for row in csv.DictReader(stream)
        }
    assert rows == {
        ("b", "b", "gap"),
        ("two/a", "b", "gap"),
        ("c", "c", "gap"),
        ("c", "t", "tested"),
        ("one/a", "u", "tested"),
        ("z", "u", "tested"),
    }
    assert made.held_out == {
        "gap": {"crystals": 2, "matched": 3, "uncompared": 0},
        "tested": {"crystals": 2, "matched": 3, "uncompared": 0},
    }
    assert made.sources["one"]["held_out"] == made.sources["two"]["held_out"] == 2
    # With other matches it is another store, which takes the place of the earlier one.
    combine_stores(sources, tmp_path / "both")
    assert (tmp_path / "both" / MATCHES_FILE).read_text().count("\n") == 1


def test_an_earlier_store_stays_if_writing_fails(
    tmp_path: Path, first: CrystalStore, second: CrystalStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "both"
    sources = [Source("two", second)]
    combine_stores(sources, out, held_out=[HeldOut("one", first)])
    before = {path.name: path.read_bytes() for path in out.iterdir()}

    def fail(*_: Any) -> str:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(combining, "_write_matches", fail)
    with pytest.raises(DatasetError, match="No space left"):
        combine_stores(sources, out)
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before
    assert MATCHES_FILE in before and not list(tmp_path.glob(".both*"))


def test_what_cannot_be_combined(tmp_path: Path, first: CrystalStore, second: CrystalStore) -> None:
    out = tmp_path / "both"

    def refused(text: str, sources: list[Source], **options: Any) -> None:
        with pytest.raises(DatasetError, match=text):
            combine_stores(sources, out, **options)
        assert not out.exists()

    refused("nothing to combine", [])
    refused("two sources are called 'one'", [Source("one", first), Source("one", second)])
    refused("no target 'nothing'", [Source("one", first, ("nothing",))])
    refused("no source has the target 'mass'", [Source("one", first)], log10=["mass"])
    refused("no split 'nothing'", [Source("o", first)], held_out=[HeldOut("h", first, "nothing")])
    twice = [HeldOut("h", first), HeldOut("h", second)]
    refused("two held-out sets", [Source("one", first)], held_out=twice)
    record = Record("q", SALT, {"bulk": 1.0, "log10_bulk": 0.0}, {"p": "train", "q": "val"})
    info = DatasetInfo("odd", targets=(Target("bulk", "kbar"),))
    odd = write_store([record], tmp_path / "odd", info)
    refused("none of the splits", [Source("odd", odd)])
    odd = odd.with_defaults(None, "p")
    refused("in kbar, and in GPa", [Source("one", first), Source("odd", odd)])
    refused("two targets of odd are called 'log10_bulk'", [Source("odd", odd)], log10=["bulk"])
    with pytest.raises(DatasetError, match="none of the targets asked for"):
        combine_sources([str(first.folder), str(second.folder)], out, targets=["other"])
    with pytest.raises(DatasetError, match="no source has the target 'typo'"):
        combine_sources([str(first.folder)], out, targets=["gap", "typo"])


def test_the_command(tmp_path: Path, first: CrystalStore, second: CrystalStore) -> None:
    lines = tmp_path / "tested.jsonl"
    tested = write_store([Record("t", ZINC, {"x": 1.0})], tmp_path / "t", DatasetInfo("t"))
    from madelung.data.dataset import export_json_lines

    export_json_lines(tested, lines)
    out = tmp_path / "both"
    arguments = ["combine", str(first.folder), str(second.folder), "--out", str(out)]
    arguments += ["--target", "gap", "--log10", "bulk", "--held-out", f"{first.folder}@gap"]
    result = CliRunner().invoke(app, [*arguments, "--held-out", str(lines)])
    assert result.exit_code == 0, (result.output, result.exception)
    assert result.stdout.splitlines() == [
        "first: 4 of 5 crystals, 0 of them out of training",
        "second: 2 of 2 crystals, 1 of them out of training",
        "held out first@gap: 2 crystals match 3 records (0 pairs could not be compared)",
        "held out tested: 1 crystals match 1 records (0 pairs could not be compared)",
        f"6 crystals in {out}",
    ]
    assert md.open_dataset(out).target_names == ("gap", "log10_bulk")
    assert "first/a" in md.open_dataset(out).ids
