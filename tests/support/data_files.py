"""Data sets for the tests: real crystals in all formats, and a server that cuts connections."""

from __future__ import annotations

import csv
import gzip
import http.server
import json
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from places import SHARED

from madelung.common.errors import DatasetError
from madelung.crystals.elements import ELEMENT_SYMBOLS
from madelung.data.dataset import open_dataset
from madelung.data.reading import read_records
from madelung.data.records import Record
from madelung.data.store import CrystalStore

CRYSTAL_DATA = SHARED / "data" / "crystals"
TARGET = "formation_energy_peratom"
GAP = "optb88vdw_bandgap"


def sample(folder: Path, count: int = 12) -> list[Record]:
    """The first crystals of the data set that comes with the package."""
    return open_dataset("example:jarvis", folder=folder / "sample-store")[:count]


def assert_same(
    records: Sequence[Record] | CrystalStore,
    expected: Sequence[Record],
    *,
    splits: bool = True,
    targets: bool = True,
    tolerance: float = 1e-9,
) -> None:
    """Records agree in ids, crystals, targets and splits."""
    assert len(records) == len(expected)
    for found, wanted in zip(records, expected, strict=True):
        assert found.id == wanted.id
        assert found.crystal.numbers.tolist() == wanted.crystal.numbers.tolist()
        np.testing.assert_allclose(found.crystal.cell, wanted.crystal.cell, atol=tolerance)
        shift = found.crystal.scaled_positions - wanted.crystal.scaled_positions
        np.testing.assert_allclose(shift, np.round(shift), atol=tolerance)
        if targets:
            assert found.targets == wanted.targets
        if splits:
            assert found.splits == wanted.splits


def only(
    records: list[Record], *targets: str, splits: dict[str, str] | None = None
) -> list[Record]:
    """The same records with some targets alone, and splits given new names."""
    return [
        Record(
            record.id,
            record.crystal,
            {name: value for name, value in record.targets.items() if name in targets},
            {new: record.splits[old] for old, new in (splits or {}).items()},
        )
        for record in records
    ]


def problems(source: Any, **options: Any) -> tuple[list[Record], list[str]]:
    """What is read, and what is wrong with the rest."""
    found = list(read_records(source, **options))
    good = [item for item in found if isinstance(item, Record)]
    return good, [str(item) for item in found if isinstance(item, DatasetError)]


def write_json_lines(path: Path, items: Sequence[dict[str, Any]]) -> Path:
    text = "".join(json.dumps(item) + "\n" for item in items)
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())
    return path


def line_of(record: Record, **changes: Any) -> dict[str, Any]:
    """A record as an object of a JSON line."""
    return {
        "id": record.id,
        "lattice": record.crystal.cell.tolist(),
        "species": record.crystal.symbols,
        "frac_coords": record.crystal.scaled_positions.tolist(),
        "targets": dict(record.targets),
        "split": dict(record.splits),
        **changes,
    }


def jarvis_item(record: Record, **changes: Any) -> dict[str, Any]:
    """A record as JARVIS-tools writes it."""
    return {
        "jid": record.id,
        "atoms": {
            "lattice_mat": record.crystal.cell.tolist(),
            "coords": record.crystal.scaled_positions.tolist(),
            "elements": record.crystal.symbols,
            "abc": [1.0, 1.0, 1.0],
            "angles": [90.0, 90.0, 90.0],
            "cartesian": False,
            "props": [""] * len(record.crystal),
        },
        "spg_symbol": "P1",
        "modes": [1.0, 2.0],
        **{name: "na" for name in (TARGET, GAP, "bulk_modulus_kv")},
        **record.targets,
        **changes,
    }


def pymatgen_item(record: Record) -> dict[str, Any]:
    """A crystal as pymatgen's ``Structure.as_dict`` has it, as far as it matters."""
    crystal = record.crystal
    sites = [
        {"species": [{"element": ELEMENT_SYMBOLS[number], "occu": 1}], "abc": abc.tolist()}
        for number, abc in zip(crystal.numbers, crystal.scaled_positions, strict=True)
    ]
    lattice = {"matrix": crystal.cell.tolist(), "pbc": [True, True, True]}
    return {"@class": "Structure", "lattice": lattice, "sites": sites, "charge": None}


def matbench_table(records: list[Record], order: str = "columns index data") -> dict[str, Any]:
    rows = [[pymatgen_item(record), record.targets[TARGET]] for record in records]
    table = {
        "columns": ["structure", "e_form"],
        "index": list(range(len(records))),
        "data": rows,
    }
    return {key: table[key] for key in order.split()}


def write_folder(folder: Path, records: Sequence[Record], *, header: bool = True) -> Path:
    """A folder of POSCAR files with a CSV: targets.csv, or id_prop.csv if it has no header."""
    folder.mkdir(parents=True)
    name = "targets.csv" if header else "id_prop.csv"
    with (folder / name).open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        if header:
            writer.writerow(
                ["id", "file", "formula", TARGET, GAP, f"split:{TARGET}", "split:other"]
            )
        for record in records:
            file = f"POSCAR-{record.id}.vasp"
            record.crystal.to_ase().write(folder / file, format="vasp", sort=False, direct=True)
            values = [record.targets.get(TARGET, ""), record.targets.get(GAP, "na")]
            if header:
                part = record.splits[TARGET]
                writer.writerow([record.id, file, record.crystal.formula, *values, part, ""])
            else:
                writer.writerow([file, *values])
    return folder


@dataclass
class Served:
    """What a server has, and what was asked of it."""

    files: dict[str, bytes]
    cuts: list[int] = field(default_factory=list)
    ranges: bool = True
    tags: bool = True
    requests: list[str | None] = field(default_factory=list)
    address: str = ""

    def of(self, name: str) -> str:
        return f"{self.address}/{name}"


class _Handler(http.server.BaseHTTPRequestHandler):
    served: Served

    def do_GET(self) -> None:
        served = self.served
        content = served.files.get(self.path.lstrip("/"))
        asked = self.headers.get("Range")
        served.requests.append(asked)
        if content is None:
            self.send_error(404)
            return
        tag = f'"{hash(content)}"'
        start = 0
        if asked and served.ranges and self.headers.get("If-Range", tag) == tag:
            start = int(asked.removeprefix("bytes=").partition("-")[0])
            if start >= len(content):
                self.send_error(416)
                return
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        else:
            self.send_response(200)
        if served.tags:
            self.send_header("ETag", tag)
        self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        rest = content[start:]
        self.wfile.write(rest[: served.cuts.pop(0)] if served.cuts else rest)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


@contextmanager
def serving(files: dict[str, bytes], **settings: Any) -> Iterator[Served]:
    """Serve files on this machine; each number of ``cuts`` ends one answer after so many bytes."""
    served = Served(files, **settings)
    handler = type("Handler", (_Handler,), {"served": served})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        served.address = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield served
        finally:
            server.shutdown()
            thread.join()
