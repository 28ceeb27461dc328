"""Complete lattice sums of crystals: the public function and its result."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from madelung.common.arrays import is_tensor
from madelung.common.errors import PotentialError, ToleranceWarning
from madelung.common.html import html_table
from madelung.crystals.batch import CrystalBatch
from madelung.crystals.reading.arguments import as_batch
from madelung.sums.base import Combination, Potential, as_combination, scalar_value
from madelung.sums.executors import choose_executor
from madelung.sums.formatting import bound_text
from madelung.sums.request import SumOutcome, SumRequest

if TYPE_CHECKING:
    from madelung.sums.executors import Executor

__all__ = ["CompleteSums", "complete_sums"]

# The first pass of a relative tolerance only has to find out how large the sums are.
_FIRST_TOLERANCE = 1e-3
_PASSES = 8
# How much lower the next pass may aim where a certificate did not reach its goal, and must.
_LARGEST_STEP = 1e-3
_SMALLEST_STEP = 0.25
# A lower aim that leaves this part of the certificate shows that most of it is rounding.
_ALL_ROUNDING = 0.9
_EPSILON = float(np.finfo(np.float64).eps)
_TINY = float(np.finfo(np.float64).tiny)


@dataclass(frozen=True, eq=False, repr=False)
class CompleteSums:
    """Complete lattice sums of one crystal or of many.

    Parameters
    ----------
    potentials
        The P potentials, in the order they were asked for.
    flat
        (P, sum of n_b²) sums of all ordered pairs of atoms: crystal b occupies
        ``flat[:, offsets[b]:offsets[b + 1]]``, its atoms (i, j) in row-major order. A PyTorch
        tensor with its graph if a cell, positions or a parameter was one, a NumPy array otherwise.
    offsets
        (B + 1,) int64, where each crystal starts in ``flat``.
    certificates
        (B, P) bounds on the absolute error of every entry: truncation and rounding.
    goals
        (B, P) errors that were asked for: the tolerance, or the relative tolerance times the
        largest sum of that potential in that crystal.
    single
        Whether one crystal was given, and not a list or a batch.
    """

    potentials: tuple[Potential | Combination, ...]
    flat: Any
    offsets: NDArray[np.int64]
    certificates: NDArray[np.float64]
    goals: NDArray[np.float64]
    single: bool

    def __len__(self) -> int:
        """Return the number of crystals."""
        return len(self.offsets) - 1

    def __repr__(self) -> str:
        """Return a line with what was summed and the largest certificate."""
        atoms = np.sqrt(np.diff(self.offsets)).round().astype(int)
        what = f"{atoms[0]} atoms" if self.single else f"{len(self)} crystals"
        names = ", ".join(map(repr, self.potentials))
        return f"CompleteSums({what}; {names}; errors up to {self._largest_error})"

    def _repr_html_(self) -> str:
        rows = [
            (
                repr(potential),
                f"errors up to {bound_text(float(bounds.max()))}" if len(self) else "",
            )
            for potential, bounds in zip(self.potentials, self.certificates.T, strict=True)
        ]
        atoms = int(np.sqrt(np.diff(self.offsets)).round().sum())
        return html_table(rows, f"complete sums, crystals: {len(self)}, atoms: {atoms}")

    @property
    def _largest_error(self) -> str:
        return bound_text(float(self.certificates.max(initial=0.0)))

    @cached_property
    def values(self) -> Any:
        """The sums S(i, j): (P, n, n) for one crystal, or a list of one such array for each."""
        blocks = []
        for start, stop in zip(self.offsets[:-1], self.offsets[1:], strict=True):
            atoms = round(float(stop - start) ** 0.5)
            block = self.flat[:, int(start) : int(stop)]
            blocks.append(block.reshape(len(self.potentials), atoms, atoms))
        return blocks[0] if self.single else blocks

    @property
    def certificate(self) -> Any:
        """Bounds on the absolute errors: (P,) for one crystal, or a list of one for each."""
        return self.certificates[0] if self.single else list(self.certificates)

    @property
    def reached(self) -> Any:
        """Whether each certificate is as small as asked for; shaped as the certificate."""
        reached = self.certificates <= self.goals
        return reached[0] if self.single else list(reached)


def complete_sums(
    crystals: Any,
    potentials: Potential | Combination | Sequence[Potential | Combination],
    *,
    tolerance: float = 1e-8,
    relative_tolerance: float = 0.0,
    executor: str = "auto",
    device: Any = None,
    threads: int | None = None,
    splitting: float | Sequence[float] | None = None,
) -> CompleteSums:
    """Sum pair potentials over all images of an infinite crystal, for every pair of its atoms.

    S(i, j) is the sum of ``v(|r_j - r_i + R|)`` over all lattice vectors R, leaving out the term at
    zero distance. For 1/r it is Ewald's sum with a uniform neutralising background and tin-foil
    boundary; for r^-n with n < 3 the analytic continuation in n.

    Parameters
    ----------
    crystals
        A crystal (a :class:`Crystal`, a path, ASE ``Atoms``, a pymatgen ``Structure``), a
        :class:`CrystalBatch`, or a sequence of crystals.
    potentials
        One potential or a sequence of P potentials; combinations are allowed.
    tolerance
        Absolute error that is allowed for every sum, in the units of the potential.
    relative_tolerance
        Error that is allowed relative to the largest absolute sum of the same potential in the
        same crystal; the larger of the two allowances counts.
    executor
        ``"native"`` (the C++ core), ``"torch"`` (PyTorch operations, any derivative), or
        ``"auto"``: the core where it is installed and can do the request.
    device
        PyTorch device to work on; anything but a CPU means the PyTorch executor.
    threads
        Threads to use; all cores if None.
    splitting
        Splitting t in Å^-2 between real and reciprocal space, one number or one for each crystal,
        instead of the cheapest. The sums do not depend on it; for tests.

    Returns
    -------
    CompleteSums
        ``values``: (P, n, n) for one crystal, or a list of one such array for each crystal;
        ``certificate``: (P,) bounds on the absolute error of every entry, or a list of them.
        PyTorch tensors with their graph if a cell, positions or a parameter is a tensor.

    Raises
    ------
    CrystalError
        If a crystal is not periodic in three directions or has no volume.
    PotentialError
        If an object is no potential, or no potential is given.
    ValueError
        If a tolerance, splitting, executor or thread count makes no sense.

    Warns
    -----
    ToleranceWarning
        If float64 cannot hold the sums as exactly as asked for; the certificates say what was
        reached.

    Notes
    -----
    P. P. Ewald, Ann. Phys. 369, 253 (1921); R. E. Crandall (2012) for general exponents.
    """
    batch, single = as_batch(crystals)
    batch.require_periodic()
    requested = _as_potentials(potentials)
    _check_tolerances(tolerance, relative_tolerance)
    contributions = Contributions.of(requested)
    request = SumRequest.of(batch, contributions.primitives, splitting, device, threads)
    run = choose_executor(executor, request)
    outcome, goals = _refine(run, request, contributions, tolerance, relative_tolerance)
    result = CompleteSums(
        tuple(requested), outcome.values, request.pair_offsets, outcome.certificates, goals, single
    )
    _warn_if_unreached(result, batch)
    return result


@dataclass(frozen=True, eq=False)
class Contributions:
    """Requested potentials as linear combinations of distinct primitive ones."""

    primitives: list[Potential]
    rows: list[list[tuple[Any, int]]]

    @classmethod
    def of(cls, requested: Sequence[Potential | Combination]) -> Contributions:
        """Collect the distinct primitives of the requested potentials."""
        index: dict[tuple[Any, ...], int] = {}
        primitives: list[Potential] = []
        rows: list[list[tuple[Any, int]]] = []
        for potential in requested:
            row = []
            for factor, term in as_combination(potential).terms:
                if term.key not in index:
                    index[term.key] = len(primitives)
                    primitives.append(term)
                row.append((factor, index[term.key]))
            rows.append(row)
        return cls(primitives, rows)

    @property
    def is_plain(self) -> bool:
        """Whether the requested potentials are the primitives themselves."""
        plain = [[(1.0, index)] for index in range(len(self.primitives))]
        return not self.has_tensors and self.rows == plain

    @property
    def has_tensors(self) -> bool:
        """Whether a coefficient is a tensor."""
        return any(is_tensor(factor) for row in self.rows for factor, _ in row)

    def primitive_tolerances(self, tolerances: NDArray[np.float64]) -> NDArray[np.float64]:
        """Share out (B, P) tolerances of combinations to (B, M) primitives."""
        shares = np.full((len(tolerances), len(self.primitives)), np.inf)
        for column, row in enumerate(self.rows):
            for factor, index in row:
                weight = abs(scalar_value(factor)) * len(row)
                if weight > 0.0:
                    share = tolerances[:, column] / weight
                    shares[:, index] = np.minimum(shares[:, index], share)
        return np.minimum(shares, 1.0 + tolerances.max(initial=0.0))

    def combine(self, outcome: SumOutcome, request: SumRequest) -> SumOutcome:
        """Turn the sums of M primitives into those of P requested potentials."""
        if self.is_plain:
            return outcome
        values = outcome.values
        if self.has_tensors and not is_tensor(values):
            import torch

            values = torch.as_tensor(values)
        magnitudes = request.largest(outcome.values)
        lines, bounds = [], []
        for row in self.rows:
            lines.append(sum(factor * values[index] for factor, index in row))
            weights = [(abs(scalar_value(factor)), index) for factor, index in row]
            rounding = 2.0 * len(row) * _EPSILON
            bounds.append(
                sum(
                    weight * (outcome.certificates[:, index] + rounding * magnitudes[:, index])
                    for weight, index in weights
                )
            )
        return SumOutcome(_stack(lines), np.stack(bounds, axis=1))


def _refine(
    run: Executor,
    request: SumRequest,
    contributions: Contributions,
    tolerance: float,
    relative_tolerance: float,
) -> tuple[SumOutcome, NDArray[np.float64]]:
    """Run a request, and run those crystals again whose certificates are too large.

    Returns
    -------
    outcome : SumOutcome
    goals : (B, P) array
        Errors that are allowed.
    """
    shape = (len(request), len(contributions.rows))
    first = max(tolerance, _FIRST_TOLERANCE) if relative_tolerance > 0.0 else tolerance
    requests = np.full(shape, first)
    before = np.full(shape, np.inf)
    total = contributions.combine(
        run(request, contributions.primitive_tolerances(requests)), request
    )
    for _ in range(_PASSES):
        scales = request.largest(total.values) if relative_tolerance > 0.0 else np.zeros(shape)
        goals = np.maximum(tolerance, relative_tolerance * scales)
        if (total.certificates <= goals).all():
            break
        # While a sum is not known better than its size, its size is only an estimate.
        sure = np.maximum(scales - total.certificates, 1e-3 * scales)
        wanted = np.maximum(tolerance, relative_tolerance * sure)
        again = _next_requests(requests, wanted, goals, total.certificates, before)
        lowered = again < requests
        chosen = np.flatnonzero(lowered.any(axis=1))
        if len(chosen) == 0:
            break
        before[lowered] = total.certificates[lowered]
        requests[chosen] = again[chosen]
        part = request.select(chosen)
        tolerances = contributions.primitive_tolerances(requests[chosen])
        better = contributions.combine(run(part, tolerances), part)
        total = request.replace(total, chosen, better)
    return total, goals


def _next_requests(
    requests: NDArray[np.float64],
    wanted: NDArray[np.float64],
    goals: NDArray[np.float64],
    certificates: NDArray[np.float64],
    before: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Return the tolerances of a further pass; unchanged where there is nothing to gain."""
    missing = goals / np.maximum(np.maximum(certificates, goals), _TINY)
    steps = np.clip(0.5 * missing, _LARGEST_STEP, _SMALLEST_STEP)
    lower = np.where(requests > wanted, wanted, steps * requests)
    # What is left out falls with the request and rounding does not, so that only a certificate
    # that a lower request did not bring down is all rounding.
    falling = (requests > wanted) | (certificates < _ALL_ROUNDING * before)
    return np.where((certificates > goals) & falling, lower, requests)


def _as_potentials(potentials: Any) -> list[Potential | Combination]:
    if isinstance(potentials, Potential | Combination):
        return [potentials]
    try:
        requested = list(potentials)
    except TypeError as problem:
        raise PotentialError(f"{potentials!r} is not a potential") from problem
    if not requested:
        raise PotentialError("give at least one potential")
    for potential in requested:
        as_combination(potential)
    return requested


def _check_tolerances(tolerance: float, relative_tolerance: float) -> None:
    for name, value in (("tolerance", tolerance), ("relative_tolerance", relative_tolerance)):
        if not (np.isfinite(value) and value >= 0.0):
            raise ValueError(f"{name} must be finite and not negative, not {value}")
    if tolerance == 0.0 and relative_tolerance == 0.0:
        raise ValueError("one of tolerance and relative_tolerance must be positive")


def _stack(lines: list[Any]) -> Any:
    if any(is_tensor(line) for line in lines):
        import torch

        return torch.stack([torch.as_tensor(line) for line in lines])
    return np.stack(lines)


def _warn_if_unreached(result: CompleteSums, batch: CrystalBatch) -> None:
    unreached = np.argwhere(result.certificates > result.goals)
    if len(unreached) == 0:
        return
    lines = []
    for row, column in unreached[:3]:
        lines.append(
            f"{batch.name(int(row))}, {result.potentials[column]!r}: certified error "
            f"{result.certificates[row, column]:.1e}, asked for {result.goals[row, column]:.1e}"
        )
    more = f"; and {len(unreached) - 3} more" if len(unreached) > 3 else ""
    warnings.warn(
        "tolerance not reached: " + "; ".join(lines) + more, ToleranceWarning, stacklevel=3
    )
