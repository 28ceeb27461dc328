"""What a data set consists of: crystals with targets and split membership."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from madelung.common.errors import DatasetError
from madelung.crystals.crystal import Crystal

__all__ = ["SPLIT_PARTS", "DatasetInfo", "Record", "Target", "split_part"]

SPLIT_PARTS: tuple[str, ...] = ("train", "val", "test")
"""Parts that a split divides crystals into."""

_PART_NAMES = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "test": "test",
    "testing": "test",
}


@dataclass(frozen=True, eq=False)
class Record:
    """A crystal of a data set.

    Parameters
    ----------
    id
        Name of the crystal, of which the data set has no other.
    crystal
        The crystal.
    targets
        Values by target; targets that are not known are absent.
    splits
        By name of a split, the part that the crystal belongs to: "train", "val" or "test"; splits
        that it does not belong to are absent.

    Raises
    ------
    DatasetError
        If the id is empty, a value is not finite, or a part has another name.
    """

    id: str
    crystal: Crystal
    targets: Mapping[str, float] = field(default_factory=dict)
    splits: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse what no store can hold."""
        if not isinstance(self.id, str) or not self.id.strip():
            raise DatasetError(f"the id {self.id!r} is no name; give every record a text as its id")
        try:
            # A lone surrogate has no UTF-8 form.
            self.id.encode("utf-8")
            targets = {str(name): float(value) for name, value in self.targets.items()}
        except UnicodeEncodeError:
            raise DatasetError(f"{self.id!r}: the id is no valid text; give another") from None
        except (TypeError, ValueError) as error:
            text = f"{self.id}: a target is no number ({error}); leave it out if it is not known"
            raise DatasetError(text) from None
        for name, value in targets.items():
            if not math.isfinite(value):
                raise DatasetError(
                    f"{self.id}: target {name!r} is {value}; leave it out if it is not known"
                )
        splits = {str(name): split_part(part, self.id) for name, part in self.splits.items()}
        object.__setattr__(self, "targets", targets)
        object.__setattr__(self, "splits", splits)


@dataclass(frozen=True)
class Target:
    """A property that crystals of a data set have.

    Parameters
    ----------
    name
        Name, as in :attr:`Record.targets`.
    unit
        Unit of the values; empty if it is not known or there is none.
    description
        What it is, in a line.
    """

    name: str
    unit: str = ""
    description: str = ""


@dataclass(frozen=True)
class DatasetInfo:
    """Where a data set comes from, and what its targets mean.

    Parameters
    ----------
    name
        Name of the data set.
    licence
        Licence of the data.
    source
        Where the data come from.
    citation
        What to cite.
    targets
        Targets that are known by unit and description; a data set may have others.
    """

    name: str
    licence: str = ""
    source: str = ""
    citation: str = ""
    targets: tuple[Target, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return asdict(self) | {"targets": [asdict(target) for target in self.targets]}

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> DatasetInfo:
        """Make it of what :meth:`as_dict` returned.

        Raises
        ------
        DatasetError
            If a value is missing or of another kind.
        """
        try:
            texts = {key: content[key] for key in ("name", "licence", "source", "citation")}
            targets = tuple(Target(**target) for target in content["targets"])
            if not all(isinstance(text, str) for text in texts.values()):
                raise TypeError("a text is missing")
        except (KeyError, TypeError, AttributeError) as error:
            raise DatasetError(f"the description of the data set is damaged ({error})") from None
        return cls(**texts, targets=targets)


def split_part(name: Any, source: str) -> str:
    """Return "train", "val" or "test" for what files call them.

    Parameters
    ----------
    name
        One of the three, or training, valid, validation, testing; in any case of letters.
    source
        What to call the record in the message.

    Raises
    ------
    DatasetError
        If it is none of these.
    """
    part = _PART_NAMES.get(name.strip().lower()) if isinstance(name, str) else None
    if part is None:
        raise DatasetError(f"{source}: {name!r} is no part of a split; write train, val or test")
    return part
