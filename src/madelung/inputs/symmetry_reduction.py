"""Atoms that no message-passing network can tell apart are computed once.

Most crystals have symmetry: atoms of an orbit have the same surroundings, so that a network gives
them the same features in every layer. Colours are refined (one-dimensional Weisfeiler-Leman) until
atoms of one colour have the same numbers of edges of each length to each colour. Then one atom of
each colour stands for all, with a weight, so does one edge of each kind, and what describes an edge
is kept once for all that have it in common. What a network
computes on the reduced graph is what it computes on the whole one; see docs/theory/potnet.md.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["EdgeArrays", "reduce_by_symmetry"]

_ROUNDS = 64
# More than there are atomic numbers.
_ELEMENTS = 256
Hash = NDArray[np.uint64]


@dataclass(frozen=True, eq=False)
class EdgeArrays:
    """Edges of one kind, sorted by receiver; every atom receives at least one.

    Parameters
    ----------
    receivers, senders
        (E,) atoms.
    kinds
        (E,) the row of ``values`` that describes each edge.
    values
        (K, V) numbers that describe edges of one kind.
    weights
        (E,) how many edges each one stands for.
    """

    receivers: NDArray[np.int64]
    senders: NDArray[np.int64]
    kinds: NDArray[np.int64]
    values: NDArray[np.float64]
    weights: NDArray[np.int64]


def reduce_by_symmetry(
    numbers: NDArray[np.int64],
    owners: NDArray[np.int64],
    kinds: list[EdgeArrays],
    tolerance: float,
) -> tuple[NDArray[np.int64], NDArray[np.int64], list[EdgeArrays]]:
    """Let one atom stand for all that have the same surroundings.

    Parameters
    ----------
    numbers
        (N,) atomic numbers.
    owners
        (N,) crystal of each atom.
    kinds
        Edges of each kind.
    tolerance
        Values of edges of one crystal that differ by no more than this count as equal; values that
        are merged differ by at most twice as much.

    Returns
    -------
    representatives : (n,) int64
        Atoms that are kept, ascending.
    weights : (n,) int64
        How many atoms each stands for.
    kinds : list of EdgeArrays
        Edges between the atoms that are kept, numbered anew, each with the number of edges that it
        stands for.
    """
    labels = [_edge_labels(kind, owners, tolerance, index) for index, kind in enumerate(kinds)]
    colours = _refined(_mixed(numbers + _ELEMENTS * owners), kinds, labels)
    _, representatives, classes, weights = np.unique(
        colours, return_index=True, return_inverse=True, return_counts=True
    )
    # Kept in the order of the crystals, not of the hashes.
    order = np.argsort(representatives)
    place = np.empty_like(order)
    place[order] = np.arange(len(order))
    classes = place[classes]
    kept = np.zeros(len(numbers), dtype=bool)
    kept[representatives] = True
    reduced = [
        _merged(kind, label, classes, kept) for kind, label in zip(kinds, labels, strict=True)
    ]
    return representatives[order], weights[order].astype(np.int64), reduced


def _refined(colours: Hash, kinds: list[EdgeArrays], labels: list[Hash]) -> Hash:
    """Refine colours until their number no longer grows."""
    count = len(np.unique(colours))
    for _ in range(_ROUNDS):
        finer = colours * np.uint64(3)
        for kind, label in zip(kinds, labels, strict=True):
            if len(label) == 0:
                continue
            # A sum of hashes is the hash of a multiset.
            received = _mixed(colours[kind.senders] + label)
            starts = np.searchsorted(kind.receivers, np.arange(len(colours)))
            finer = _mixed(finer + np.add.reduceat(received, starts))
        found = len(np.unique(finer))
        if found == count:
            return colours
        colours, count = finer, found
    return colours


def _edge_labels(kind: EdgeArrays, owners: NDArray[np.int64], tolerance: float, index: int) -> Hash:
    """A hash for each edge; equal for edges of one crystal whose values are equal."""
    owner = owners[kind.receivers]
    label = _mixed(np.full(len(owner), index + 1))
    for column in kind.values[kind.kinds].T:
        label = _mixed(label + _mixed(_clusters(owner, column, tolerance)))
    return label


def _clusters(
    owner: NDArray[np.int64], values: NDArray[np.float64], tolerance: float
) -> NDArray[np.int64]:
    """Number groups of nearly equal values within each crystal.

    Sorted values belong together while the gaps are within the tolerance; a group that has become
    wider than twice the tolerance is cut.
    """
    order = np.lexsort((values, owner))
    sorted_values, sorted_owner = values[order], owner[order]
    new = np.ones(len(order), dtype=bool)
    new[1:] = (np.diff(sorted_values) > tolerance) | (np.diff(sorted_owner) != 0)
    chain = np.cumsum(new) - 1
    beyond = sorted_values - sorted_values[new][chain] if len(order) else sorted_values
    pieces = np.floor(beyond / (2.0 * tolerance)).astype(np.int64)
    labels = np.empty(len(order), dtype=np.int64)
    labels[order] = chain * (1 << 20) + pieces
    return labels


def _merged(
    kind: EdgeArrays, label: Hash, classes: NDArray[np.int64], kept: NDArray[np.bool_]
) -> EdgeArrays:
    """Keep edges that representatives receive, one for all of the same label and sender."""
    chosen = kept[kind.receivers]
    receivers, senders = classes[kind.receivers[chosen]], classes[kind.senders[chosen]]
    _, first, kinds = np.unique(label[chosen], return_index=True, return_inverse=True)
    order = np.lexsort((kinds, senders, receivers))
    keys = (receivers[order], senders[order], kinds[order])
    new = np.ones(len(order), dtype=bool)
    if len(order):
        new[1:] = np.any([key[1:] != key[:-1] for key in keys], axis=0)
    starts = np.flatnonzero(new)
    weights = kind.weights[chosen][order]
    return EdgeArrays(
        receivers=keys[0][new],
        senders=keys[1][new],
        kinds=keys[2][new],
        values=kind.values[kind.kinds[chosen][first]],
        weights=np.add.reduceat(weights, starts) if len(starts) else weights,
    )


def _mixed(values: NDArray[np.int64] | Hash) -> Hash:
    """Scramble integers (the finaliser of SplitMix64), so that sums of them rarely coincide."""
    bits = values.astype(np.uint64) + np.uint64(0x9E3779B97F4A7C15)
    bits = (bits ^ (bits >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    bits = (bits ^ (bits >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return bits ^ (bits >> np.uint64(31))
