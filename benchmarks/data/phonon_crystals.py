"""A data set of vibrational properties from the Kyoto phonon database, to learn from beforehand.

    python -m benchmarks.data.phonon_crystals ARCHIVE.tar REFERENCE.csv.gz --out phonons.jsonl.gz

The archive holds one compressed folder for each material, whose relaxed unit cell is taken; the
table holds what phonopy makes of its forces (no non-analytic correction). Of a crystal with
imaginary frequencies beyond 0.3 THz only the highest one is taken. Energies and heat capacities
are given for each atom.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import io
import json
import lzma
import os
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import ase.io

WAVENUMBERS_PER_TERAHERTZ = 33.35641
UNSTABLE_BELOW = -0.3  # THz


def unit_cells(archive: Path) -> Iterator[tuple[str, str]]:
    """Yield each material's file name and its relaxed unit cell as POSCAR text."""
    with tarfile.open(archive) as outer:
        for member in outer:
            stream = outer.extractfile(member)
            if stream is None:
                continue
            with tarfile.open(fileobj=io.BytesIO(lzma.decompress(stream.read()))) as inner:
                name = next(n for n in inner.getnames() if n.endswith("/POSCAR-unitcell"))
                text = inner.extractfile(name)
                assert text is not None
                yield Path(member.name).name, text.read().decode()


def record(poscar: str, row: dict[str, str]) -> dict[str, Any]:
    """Return one line of the data set."""
    crystal = ase.io.read(io.StringIO(poscar), format="vasp")
    return {
        "id": row["mp"],
        "lattice": crystal.cell.array.tolist(),
        "species": crystal.get_chemical_symbols(),
        "frac_coords": crystal.get_scaled_positions().tolist(),
        "targets": targets(row),
    }


def targets(row: dict[str, str]) -> dict[str, float]:
    """Return what a line of the table says of the vibrations of a crystal."""
    found = {"max_frequency": float(row["fmax"]) * WAVENUMBERS_PER_TERAHERTZ}
    if float(row["fmin"]) >= UNSTABLE_BELOW:
        atoms = float(row["nprim"])
        found |= {
            "mean_frequency": float(row["favg"]) * WAVENUMBERS_PER_TERAHERTZ,
            "zero_point_energy": float(row["ZPE"]) / atoms,
            "heat_capacity_300": float(row["Cv300"]) / atoms,
        }
    return found


def main() -> int:
    """Write the data set and say how many crystals it has."""
    parser = argparse.ArgumentParser(description="Vibrational properties of phonon crystals.")
    parser.add_argument("archive", type=Path)
    parser.add_argument("reference", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    with gzip.open(options.reference, "rt", encoding="utf-8") as stream:
        rows = {row["file"]: row for row in csv.DictReader(stream)}
    temporary = options.out.with_name(options.out.name + ".part")
    written = 0
    with gzip.open(temporary, "wt", encoding="utf-8") as out:
        for name, poscar in unit_cells(options.archive):
            out.write(json.dumps(record(poscar, rows[name])) + "\n")
            written += 1
    os.replace(temporary, options.out)
    print(f"{written} crystals: {options.out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
