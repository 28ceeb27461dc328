"""Files of LAMMPS's pair styles meam/spline, eam/alloy (setfl) and eam/fs.

The formats are described in LAMMPS's documentation of these styles; what it leaves open was found
by comparing numbers, see docs/theory/spline-potentials.md. Numbers are written with 17 digits, so
that what is read back is the same.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from os import PathLike
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from madelung.common.compression import LARGEST_RATIO, read_bytes
from madelung.common.errors import ForceFieldError
from madelung.common.outputs import whole_file
from madelung.common.text import LARGEST_TEXT
from madelung.crystals.elements import ELEMENT_SYMBOLS
from madelung.forcefields.splines.cubic import CubicSpline
from madelung.forcefields.splines.eam import ElementHeader, SplineEAM
from madelung.forcefields.splines.meam import SplineMEAM

__all__ = [
    "read_eam",
    "read_eam_alloy",
    "read_eam_fs",
    "read_meam_spline",
    "write_eam_alloy",
    "write_eam_fs",
    "write_meam_spline",
]

Path_ = str | PathLike[str]


class _Lines:
    """Lines of a file, with messages that say where something is wrong."""

    def __init__(self, path: Path_) -> None:
        self.path, self.number = path, 0

        def failure(text: str) -> ForceFieldError:
            return ForceFieldError(f"{path}: {text}")

        data = read_bytes(path, failure, most=LARGEST_TEXT, ratio=LARGEST_RATIO)
        self._lines = data.decode("utf-8", "replace").splitlines()

    def error(self, message: str) -> ForceFieldError:
        return ForceFieldError(f"{self.path}, line {self.number}: {message}")

    def next(self) -> str:
        if self.number >= len(self._lines):
            raise ForceFieldError(f"{self.path}: ends too early; is it complete?")
        self.number += 1
        return self._lines[self.number - 1]

    def reals(self, at_least: int) -> list[float]:
        """The first words of the next line as numbers."""
        words = self.next().split()
        if len(words) < at_least:
            raise self.error(f"{at_least} numbers are expected")
        try:
            return [_real(word) for word in words[:at_least]]
        except ValueError:
            raise self.error(f"{at_least} finite numbers are expected") from None

    def table(self, count: int) -> NDArray[np.float64]:
        """Numbers on as many lines as they fill."""
        values: list[float] = []
        while len(values) < count:
            words = self.next().split()
            try:
                values += [_real(word) for word in words]
            except ValueError:
                raise self.error("a table of finite numbers is expected") from None
        if len(values) > count:
            raise self.error(f"a table ends here, after {count} numbers, and its line goes on")
        return np.array(values)

    def count(self, at_least: int) -> int:
        line = self.next().split()
        if not line or not line[0].isdigit() or int(line[0]) < at_least:
            raise self.error(f"a whole number, {at_least} or more, is expected")
        return int(line[0])


def _real(word: str) -> float:
    number = float(word.replace("D", "E").replace("d", "e"))
    if not math.isfinite(number):
        raise ValueError(f"{word} is no finite number")
    return number


def _atomic_number(symbol: str, lines: _Lines) -> int:
    if symbol not in ELEMENT_SYMBOLS[1:]:
        raise lines.error(f"'{symbol}' is no element")
    return ELEMENT_SYMBOLS.index(symbol)


def read_meam_spline(path: Path_, elements: Sequence[str] | None = None) -> SplineMEAM:
    """Read a file of the pair style meam/spline.

    Second derivatives in the file are not used: as in LAMMPS they follow from values and slopes.

    Parameters
    ----------
    path
        A file of the present format (``meam/spline N element …``) or of the former one, for one
        element.
    elements
        For a file of the former format, which does not say what it was made for: the symbol.

    Raises
    ------
    ForceFieldError
        If the file cannot be read, with the line; or a file of the former format comes without its
        element.
    """
    lines = _Lines(path)
    lines.next()
    words = lines.next().split()
    new = words[:1] == ["meam/spline"]
    if new:
        if len(words) < 3 or not words[1].isdigit() or len(words) < 2 + int(words[1]):
            raise lines.error("'meam/spline', the number of elements and their names are expected")
        elements = words[2 : 2 + int(words[1])]
    elif elements is None or len(elements) != 1:
        raise ForceFieldError(
            f"{path}: a file of the former format does not name its element; give elements=('Si',)"
        )
    else:
        lines.number -= 1
    types = len(elements)
    numbers = tuple(_atomic_number(symbol, lines) for symbol in elements)
    pairs = types * (types + 1) // 2
    parts = [
        tuple(_read_spline(lines, new) for _ in range(count))
        for count in (pairs, types, types, types, pairs)
    ]
    try:
        return SplineMEAM(numbers, *parts)
    except ForceFieldError as problem:
        raise ForceFieldError(f"{path}: {problem}") from None


def _read_spline(lines: _Lines, new: bool) -> CubicSpline:
    if new and lines.next().split()[:1] != ["spline3eq"]:
        raise lines.error("'spline3eq' is expected")
    count = lines.count(2)
    slopes = lines.reals(2)
    if not new:
        lines.next()  # flags of the ends, which the style does not look at either
    rows = np.array([lines.reals(3) for _ in range(count)])
    try:
        return CubicSpline(rows[:, 0], rows[:, 1], (slopes[0], slopes[1]))
    except ForceFieldError as problem:
        raise lines.error(str(problem)) from None


def write_meam_spline(potential: SplineMEAM, path: Path_, comment: str = "") -> None:
    """Write a file of the pair style meam/spline, in the present format.

    Its first line says in which order LAMMPS's atom types must be: the style takes them to be in
    the order of the file, whatever ``pair_coeff`` names.

    Parameters
    ----------
    potential
        What to write.
    path
        File to make.
    comment
        One line for its beginning.

    Raises
    ------
    ForceFieldError
        If it has no angular functions, which the format does not do without.
    """
    if not potential.is_angular:
        raise ForceFieldError("a potential without angular functions is written as an EAM")
    functions = (
        *potential.pair,
        *potential.density,
        *potential.embedding,
        *potential.bond,
        *potential.angle,
    )
    symbols = potential.symbols
    order = f"atom types must be {', '.join(symbols)}: pair_coeff * * FILE {' '.join(symbols)}"
    remark = f"# {comment or 'spline MEAM potential by Madelung'}; {order}"
    text = [remark.replace("\n", " ")]
    text.append(f"meam/spline {len(symbols)} {' '.join(symbols)}")
    for spline in functions:
        text += ["spline3eq", str(len(spline.knots)), _join(spline.slopes)]
        rows = np.stack([spline.knots, spline.values, spline.curvatures], axis=1)
        text += [_join(row) for row in rows]
    with whole_file(path) as temporary:
        temporary.write_text("\n".join(text) + "\n")


def read_eam_alloy(path: Path_) -> SplineEAM:
    """Read a file of the pair style eam/alloy (format setfl).

    Raises
    ------
    ForceFieldError
        If the file cannot be read.
    """
    return _read_eam(path, finnis_sinclair=False)


def read_eam_fs(path: Path_) -> SplineEAM:
    """Read a file of the pair style eam/fs (Finnis-Sinclair).

    Raises
    ------
    ForceFieldError
        If the file cannot be read.
    """
    return _read_eam(path, finnis_sinclair=True)


def read_eam(path: Path_) -> SplineEAM:
    """Read a file of eam/fs if its name contains ``.fs``, else of eam/alloy.

    Raises
    ------
    ForceFieldError
        If the file cannot be read, with the line.
    """
    return _read_eam(path, finnis_sinclair=".fs" in Path(path).name)


def _read_eam(path: Path_, finnis_sinclair: bool) -> SplineEAM:
    lines = _Lines(path)
    comments = (lines.next(), lines.next(), lines.next())
    words = lines.next().split()
    types = int(words[0]) if words and words[0].isdigit() else 0
    if types < 1 or len(words) < 1 + types:
        raise lines.error("the number of elements and their names are expected")
    numbers = tuple(_atomic_number(symbol, lines) for symbol in words[1 : 1 + types])
    densities, density_step, points, step, reach = lines.reals(5)
    sizes = _sizes(lines, densities, points)
    headers, embedding, density = [], [], []
    for _ in range(types):
        headers.append(_read_header(lines))
        embedding.append(lines.table(sizes[0]))
        count = types if finnis_sinclair else 1
        blocks = [lines.table(sizes[1]) for _ in range(count)]
        density.append(np.stack(blocks) if finnis_sinclair else blocks[0])
    pairs = [lines.table(sizes[1]) for _ in range(types * (types + 1) // 2)]
    tables = np.stack(embedding), np.stack(density), np.stack(pairs)
    try:
        return SplineEAM(numbers, step, density_step, reach, *tables, tuple(headers), comments)
    except ForceFieldError as problem:
        raise ForceFieldError(f"{path}: {problem}") from None


def _sizes(lines: _Lines, *numbers: float) -> list[int]:
    """Lengths of tables; what is announced and not there is told when the tables are read."""
    if not all(number >= 1.0 and number.is_integer() for number in numbers):
        raise lines.error("the first and third number, lengths of tables, have to be whole")
    return [int(number) for number in numbers]


def _read_header(lines: _Lines) -> ElementHeader:
    words = [*lines.next().split(), "0", "none"]
    try:
        # The number says what the symbol has said before; as in LAMMPS nothing hangs on it.
        _real(words[0])
        return ElementHeader(_real(words[1]), _real(words[2]), words[3])
    except ValueError:
        raise lines.error("atomic number, mass, lattice constant and type are expected") from None


def write_eam_alloy(potential: SplineEAM, path: Path_) -> None:
    """Write a file of the pair style eam/alloy (format setfl).

    Raises
    ------
    ForceFieldError
        If its densities depend on the central atom.
    """
    if potential.is_finnis_sinclair:
        raise ForceFieldError("a Finnis-Sinclair potential is written with write_eam_fs")
    _write_eam(potential, path)


def write_eam_fs(potential: SplineEAM, path: Path_) -> None:
    """Write a file of the pair style eam/fs (Finnis-Sinclair).

    Raises
    ------
    ForceFieldError
        If its densities do not depend on the central atom.
    """
    if not potential.is_finnis_sinclair:
        raise ForceFieldError("a potential of the format setfl is written with write_eam_alloy")
    _write_eam(potential, path)


def _write_eam(potential: SplineEAM, path: Path_) -> None:
    points, densities = potential.scaled_pair.shape[-1], potential.embedding.shape[-1]
    text = [*potential.comments, f"{len(potential.numbers)} {' '.join(potential.symbols)}"]
    text.append(
        f"{densities} {potential.density_step:.17g} {points} {potential.step:.17g} "
        f"{potential.reach:.17g}"
    )
    for element, header in enumerate(potential.headers):
        number = potential.numbers[element]
        text.append(
            f"{number} {header.mass:.17g} {header.lattice_constant:.17g} {header.structure}"
        )
        text += _rows(potential.embedding[element])
        for values in potential.density[element].reshape(-1, points):
            text += _rows(values)
    for values in potential.scaled_pair:
        text += _rows(values)
    with whole_file(path) as temporary:
        temporary.write_text("\n".join(text) + "\n")


def _rows(values: NDArray[np.float64]) -> list[str]:
    return [_join(values[start : start + 5]) for start in range(0, len(values), 5)]


def _join(values: Sequence[float] | NDArray[np.float64]) -> str:
    return " ".join(f"{value:.17g}" for value in values)
