"""Damaged files of crystals: whatever is in them, reading ends, soon, in a crystal or a problem.

``MADELUNG_FUZZ=10000`` tries that many mutations of the cases instead of a few hundred.
"""

from __future__ import annotations

import os
import resource
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from madelung.common.errors import CrystalError
from madelung.crystals.crystal import Crystal
from madelung.crystals.reading.files import iterate

CASES = Path(__file__).parent / "cases"
SEEDS = sorted(
    path
    for kind in ("failing", "passing", "hostile")
    for path in (CASES / kind).iterdir()
    # The format must be told from the name, as for users.
    if path.suffix in {".cif", ".mcif", ".extxyz", ".json", ".vasp", ".contcar"}
    or "POSCAR" in path.name
)
EXAMPLES = int(os.environ.get("MADELUNG_FUZZ", "300"))
# Memory that all readings together may take beyond what was taken before.
BYTES = 500_000_000

NUMBERS = (
    b"0", b"-1", b"1e400", b"-1e-400", b"nan", b"inf", b"1e50", b"1e-50", b"1e20", b"99999999999",
    b"18446744073709551616", b"0.5(3)", b"?", b".", b"1/3", b"0x10", b"1_000", b"\xc2\xbd", b"1 2",
)  # fmt: skip
WORDS = (
    b"data_", b"data_x", b"loop_", b"save_", b"global_", b"stop_", b"#", b"'", b'"', b"\n;\n",
    b"\x00", b"\xff", b"\xef\xbb\xbf", b"[", b"}", b"null", b"1e999", b"NH4+", b"H1.25", b"'P -1'",
    b"_atom_site_fract_x", b"_atom_site_occupancy", b"_symmetry_equiv_pos_as_xyz", b"x,y,z,+1",
    b"_space_group_symop_generator_xyz\n'x+1/7,y,z'", b"_space_group_IT_number 48", b"Direct",
    b"_cell_modulation_dimension 2", b"Selective dynamics", b"Properties=species:S:1",
    b"pos:R:9999999", b'Lattice="0 0 0 0 0 0 0 0 0"', b'{"__ndarray__": [[9, 9], "int64", []]}',
)  # fmt: skip

change = st.one_of(
    st.tuples(st.just("byte"), st.floats(0, 1), st.integers(0, 255)),
    st.tuples(st.just("line"), st.floats(0, 1), st.sampled_from(["drop", "twice", "swap", "cut"])),
    st.tuples(st.just("number"), st.floats(0, 1), st.sampled_from(NUMBERS)),
    st.tuples(st.just("word"), st.floats(0, 1), st.sampled_from(WORDS)),
    st.tuples(st.just("insert"), st.floats(0, 1), st.sampled_from(WORDS)),
)


def mutated(content: bytes, changes: list[tuple[str, float, Any]]) -> bytes:
    """Change bytes, lines, numbers and words of a file."""
    for kind, place, what in changes:
        if kind == "byte":
            at = int(place * max(len(content) - 1, 0))
            content = content[:at] + bytes([what]) + content[at + 1 :]
        elif kind == "line":
            content = _with_line(content.split(b"\n"), place, what)
        else:
            content = _with_word(content, kind, place, what)
    return content


def _with_line(lines: list[bytes], place: float, what: str) -> bytes:
    at = int(place * (len(lines) - 1))
    if what == "drop":
        del lines[at]
    elif what == "twice":
        lines.insert(at, lines[at])
    elif what == "swap":
        lines[at], lines[0] = lines[0], lines[at]
    else:
        lines = lines[:at]
    return b"\n".join(lines)


def _with_word(content: bytes, kind: str, place: float, what: bytes) -> bytes:
    words = content.split(b" ")
    numbers = [i for i, word in enumerate(words) if any(48 <= byte <= 57 for byte in word)]
    candidates = numbers if kind == "number" and numbers else range(len(words))
    at = candidates[int(place * (len(candidates) - 1))]
    if kind == "insert":
        words.insert(at, what)
    else:
        # What stands beyond a line's end stays.
        rest = words[at].partition(b"\n")
        words[at] = what + rest[1] + rest[2]
    return b" ".join(words)


@pytest.mark.slow
@settings(max_examples=EXAMPLES)
@given(seed=st.sampled_from(SEEDS), changes=st.lists(change, min_size=1, max_size=5))
@pytest.mark.timeout(max(600, EXAMPLES // 10))
def test_damaged_files_end_in_a_crystal_or_a_problem(
    tmp_path_factory: pytest.TempPathFactory, seed: Path, changes: list[tuple[str, float, Any]]
) -> None:
    path = tmp_path_factory.getbasetemp() / seed.name
    path.write_bytes(mutated(seed.read_bytes(), changes))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for _, result in iterate([path], every=True):
        assert isinstance(result, Crystal | CrystalError)
        if isinstance(result, CrystalError):
            assert str(result).startswith(str(path)[:20])
        else:
            # What was read can be looked at, or says why not.
            assert len(result.formula) > 0
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024 < BYTES
