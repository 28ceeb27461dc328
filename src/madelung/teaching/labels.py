"""What teachers say of configurations: energies, forces, and why some say nothing."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from madelung.common.arrays import to_numpy
from madelung.common.errors import ForceFieldError
from madelung.common.outputs import json_text, whole_file
from madelung.forcefields.reference.configurations import Configuration

__all__ = ["LARGEST_DEVIATION", "TeacherLabels", "compositions_of"]

LARGEST_DEVIATION = 10.0
"""Distance from what is usual for a teacher, in eV/atom, beyond which its energy is none."""

_FORMAT, _VERSION = "madelung-teacher-labels", 1


@dataclass(frozen=True, eq=False)
class TeacherLabels:
    """Energies and forces of n configurations by T teachers.

    Parameters
    ----------
    teachers
        Their T names.
    ids
        Names of the n configurations.
    elements
        Atomic numbers of the E elements that occur, ascending.
    compositions
        (n, E) number of atoms of each element.
    energies
        (n, T) in eV, each teacher from its own zero; NaN where it has none.
    forces
        For each configuration (T, atoms, 3) in eV/Å, NaN where a teacher has none; None if
        nobody was asked for forces.
    reasons
        Why a label is none, by the numbers of the configuration and of the teacher.

    Raises
    ------
    ForceFieldError
        If the sizes do not fit together, or a teacher's name occurs twice.
    """

    teachers: tuple[str, ...]
    ids: tuple[str, ...]
    elements: tuple[int, ...]
    compositions: NDArray[np.int64]
    energies: NDArray[np.float64]
    forces: tuple[NDArray[np.float64], ...] | None = None
    reasons: Mapping[tuple[int, int], str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        shape = (len(self.ids), len(self.teachers))
        if len(set(self.teachers)) < len(self.teachers):
            raise ForceFieldError(f"a teacher's name occurs twice: {', '.join(self.teachers)}")
        if self.energies.shape != shape:
            raise ForceFieldError(
                f"energies of shape {self.energies.shape} do not fit {shape[0]} configurations "
                f"and {shape[1]} teachers"
            )
        if self.compositions.shape != (len(self.ids), len(self.elements)):
            raise ForceFieldError(
                f"compositions of shape {self.compositions.shape} do not fit {shape[0]} "
                f"configurations and {len(self.elements)} elements"
            )
        if self.forces is not None:
            wanted = [(len(self.teachers), int(count), 3) for count in self.counts]
            if [item.shape for item in self.forces] != wanted:
                raise ForceFieldError("forces do not have the shape (teachers, atoms, 3)")

    def __len__(self) -> int:
        """Number of configurations."""
        return len(self.ids)

    @property
    def counts(self) -> NDArray[np.int64]:
        """(n,) number of atoms."""
        counts: NDArray[np.int64] = self.compositions.sum(1)
        return counts

    @property
    def energies_per_atom(self) -> NDArray[np.float64]:
        """(n, T) in eV/atom; NaN where a teacher has none."""
        energies: NDArray[np.float64] = self.energies / self.counts[:, None]
        return energies

    @property
    def known(self) -> NDArray[np.bool_]:
        """(n, T) whether a teacher has a label."""
        known: NDArray[np.bool_] = np.isfinite(self.energies)
        return known

    def select(self, indices: Any) -> TeacherLabels:
        """Return the labels of some configurations.

        Parameters
        ----------
        indices
            Numbers of configurations, or (n,) booleans.
        """
        chosen = np.arange(len(self))[np.asarray(indices)].tolist()
        return replace(
            self,
            ids=tuple(self.ids[old] for old in chosen),
            compositions=self.compositions[chosen],
            energies=self.energies[chosen],
            forces=None if self.forces is None else tuple(self.forces[old] for old in chosen),
            reasons={
                (new, teacher): self.reasons[old, teacher]
                for new, old in enumerate(chosen)
                for teacher in range(len(self.teachers))
                if (old, teacher) in self.reasons
            },
        )

    def without(self, mask: NDArray[np.bool_], reasons: Mapping[tuple[int, int], str]) -> Any:
        """Return labels of which some are none.

        Parameters
        ----------
        mask
            (n, T) whether a label becomes none.
        reasons
            Why, for each of them.
        """
        forces = self.forces
        if forces is not None:
            forces = tuple(
                np.where(row[:, None, None], np.nan, own)
                for row, own in zip(mask, forces, strict=True)
            )
        energies = np.where(mask, np.nan, self.energies)
        return replace(self, energies=energies, forces=forces, reasons={**self.reasons, **reasons})

    def without_outliers(
        self,
        reference_energies: NDArray[np.float64] | None = None,
        largest_deviation: float = LARGEST_DEVIATION,
    ) -> TeacherLabels:
        """Return labels of which those that are not finite or too far off are none.

        Parameters
        ----------
        reference_energies
            (n,) in eV, NaN where not known.
        largest_deviation
            In eV/atom. Deviations are of the energies from the reference where that is known,
            from zero elsewhere, and are counted from the teacher's median.
        """
        usable = replace(self, energies=np.where(self.known, self.energies, np.nan))
        reference = np.zeros(len(self))
        groups = [np.ones(len(self), dtype=bool)]
        if reference_energies is not None:
            is_known = np.isfinite(reference_energies)
            reference = np.where(is_known, reference_energies, 0.0)
            groups = [is_known, ~is_known]
        values = (usable.energies - reference[:, None]) / self.counts[:, None]
        deviations = np.zeros_like(values)
        for rows in groups:
            for column in range(values.shape[1]):
                own = values[rows, column]
                if np.isfinite(own).any():
                    deviations[rows, column] = np.abs(own - np.nanmedian(own))
        far = deviations > largest_deviation
        reasons = {
            (int(row), int(column)): (
                f"too far off: {deviations[row, column]:.3g} eV/atom from what is usual for this "
                f"teacher; {largest_deviation:g} are allowed"
            )
            for row, column in zip(*np.nonzero(far), strict=True)
        }
        for row, column in zip(*np.nonzero(~self.known), strict=True):
            reasons.setdefault(
                (int(row), int(column)), self.reasons.get((row, column), "not finite")
            )
        result: TeacherLabels = usable.without(far | ~self.known, reasons)
        return result

    def require_same(self, configurations: Sequence[Configuration]) -> None:
        """Make sure that these are the configurations that were labelled, in order.

        Raises
        ------
        ForceFieldError
            If they are others.
        """
        if len(configurations) != len(self):
            raise ForceFieldError(
                f"the labels are of {len(self)} configurations, and {len(configurations)} are "
                "here; give the files that were labelled, in the same order"
            )
        for name, atoms, item in zip(self.ids, self.counts, configurations, strict=True):
            if name != item.id or atoms != len(item.crystal):
                raise ForceFieldError(
                    f"the labels have {name} of {atoms} atoms where {item.id} of "
                    f"{len(item.crystal)} is; give the files that were labelled, in the same order"
                )

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write a safetensors file; the same labels give the same bytes."""
        from safetensors.numpy import save_file

        arrays = {"compositions": self.compositions, "energies": self.energies}
        if self.forces is not None:
            # (all atoms, teachers, 3), so that configurations of different size go together.
            rows = [own.transpose(1, 0, 2) for own in self.forces]
            empty = np.zeros((0, len(self.teachers), 3))
            arrays["forces"] = np.concatenate([empty, *rows])
        head = {
            "format": _FORMAT,
            "version": _VERSION,
            "teachers": self.teachers,
            "ids": self.ids,
            "elements": self.elements,
            "reasons": [[*where, self.reasons[where]] for where in sorted(self.reasons)],
        }
        whole = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
        with whole_file(path) as temporary:
            # One entry: the order of several is not the same in each process.
            save_file(whole, temporary, metadata={"madelung": json_text(head)})

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> TeacherLabels:
        """Read what :meth:`save` has written.

        Raises
        ------
        ForceFieldError
            If the file is missing, damaged or something else.
        """
        from safetensors import SafetensorError, safe_open

        try:
            with safe_open(Path(path), "numpy") as file:
                head = json.loads((file.metadata() or {}).get("madelung", "{}"))
                arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            if (head.get("format"), head.get("version")) != (_FORMAT, _VERSION):
                raise ForceFieldError(f"{path}: no labels of teachers that this program can read")
            return cls(
                teachers=tuple(head["teachers"]),
                ids=tuple(head["ids"]),
                elements=tuple(head["elements"]),
                compositions=arrays["compositions"],
                energies=arrays["energies"],
                forces=_divided(arrays.get("forces"), arrays["compositions"].sum(1)),
                reasons={(row, column): text for row, column, text in head["reasons"]},
            )
        except (OSError, SafetensorError, KeyError, ValueError) as problem:
            if isinstance(problem, ForceFieldError):
                raise
            raise ForceFieldError(f"{path}: labels cannot be read ({problem})") from None


def compositions_of(
    configurations: Sequence[Configuration],
) -> tuple[tuple[int, ...], NDArray[np.int64]]:
    """Return the elements that occur, ascending, and (n, E) the number of atoms of each."""
    numbers = [np.asarray(to_numpy(item.crystal.numbers)) for item in configurations]
    elements = sorted({int(number) for own in numbers for number in own})
    counts = [[int((own == element).sum()) for element in elements] for own in numbers]
    return tuple(elements), np.array(counts, dtype=np.int64).reshape(len(numbers), len(elements))


def _divided(
    forces: NDArray[np.float64] | None, counts: NDArray[np.int64]
) -> tuple[NDArray[np.float64], ...] | None:
    if forces is None:
        return None
    parts = np.split(forces, np.cumsum(counts)[:-1]) if len(counts) else []
    return tuple(part.transpose(1, 0, 2) for part in parts)
