"""Crystals with the values that an ensemble expects, from which a single network can learn.

    python -m benchmarks.data.distilled_labels LABELLED OTHERS --teacher formation-energy \\
        --elements O,N --out STORE
    madelung train STORE --out student --initial base ...

Crystals of LABELLED keep their values and splits. Training crystals of OTHERS with one of the
elements, and with no value of the teacher's targets, get the teacher's values and are for training
alone: they match no validation or test crystal if ``madelung data combine --held-out`` made OTHERS.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np
import torch

import madelung as md
from madelung.crystals.elements import ELEMENT_SYMBOLS
from madelung.data.records import Record
from madelung.data.store import CrystalStore, write_store
from madelung.inputs.build import build_input
from madelung.models.model import CrystalModel

BATCH, LARGEST = 64, 60


def labelled(store: CrystalStore, targets: Sequence[str]) -> Iterator[Record]:
    """Records with known values, of which those of other targets are left out."""
    for record in store:
        values = {name: record.targets[name] for name in targets if name in record.targets}
        if values:
            splits = {name: record.splits[name] for name in targets if name in record.splits}
            yield replace(record, targets=values, splits=splits)


def chosen(store: CrystalStore, targets: Sequence[str], elements: set[int]) -> Iterator[Record]:
    """Training crystals of other targets with one of the elements."""
    for row in np.flatnonzero(store.sizes <= LARGEST):
        record = store[int(row)]
        known = any(name in record.targets for name in targets)
        if (
            not known
            and "train" in record.splits.values()
            and elements & set(record.crystal.numbers)
        ):
            yield record


def guessed(records: Iterator[Record], teacher: CrystalModel) -> Iterator[Record]:
    """Records with the teacher's values."""
    names = [card.name for card in teacher.card.targets]
    done = 0
    while group := list(islice(records, BATCH)):
        crystals = [record.crystal for record in group]
        values = teacher.evaluate(build_input(crystals, teacher.card.inputs)).values.tolist()
        for record, row in zip(group, values, strict=True):
            yield replace(
                record,
                targets=dict(zip(names, row, strict=True)),
                splits=dict.fromkeys(names, "train"),
            )
        done += len(group)
        print(f"\r{done} crystals guessed", end="", file=sys.stderr)


def main() -> int:
    """Write the store."""
    parser = argparse.ArgumentParser(description="Crystals with values of an ensemble.")
    parser.add_argument("labelled")
    parser.add_argument("others")
    parser.add_argument("--teacher", required=True)
    parser.add_argument("--elements", required=True, help="Symbols, of which a crystal has one.")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    torch.set_num_threads(1)
    teacher = md.load(options.teacher)
    targets = [card.name for card in teacher.card.targets]
    known, others = md.open_dataset(options.labelled), md.open_dataset(options.others)
    elements = {ELEMENT_SYMBOLS.index(symbol) for symbol in options.elements.split(",")}

    def records() -> Iterator[Record]:
        yield from labelled(known, targets)
        yield from guessed(chosen(others, targets, elements), teacher)

    store = write_store(records(), options.out, known.info, default_target=targets[0])
    print(f"\n{len(store)} crystals in {options.out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
