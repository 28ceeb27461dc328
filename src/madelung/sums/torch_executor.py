"""Carries a plan out with PyTorch operations: any device, any derivative.

Where a pair of atoms has images inside the cutoff is found without gradients, in blocks; the terms
are then evaluated on the images alone. Cells and positions enter twice: by their exact reduced and
wrapped values, and by differences that are zero in value and carry the graph.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from madelung.common.arrays import as_floats, is_tensor
from madelung.common.machine import torch_threads
from madelung.crystals.double_double import add, combine_rows, exact_sum
from madelung.crystals.lattice import Lattices, reduce_cells, wrap_positions
from madelung.sums.certificate import certify
from madelung.sums.plan import Plan, make_plan
from madelung.sums.request import SumOutcome, SumRequest
from madelung.sums.torch_terms import BLOCK, Chunk, add_spaces

__all__ = ["run_torch"]

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class _Geometry:
    """Reduced, wrapped crystals on the device.

    ``basis`` (B, 3, 3) carries the graph of the cells, ``drift`` (N, 3) is zero and carries the
    graph of the wrapped positions, ``high`` and ``low`` (N, 3) are their exact values, and
    ``basis_low`` (B, 3, 3) completes the exact value of the basis.
    """

    basis: Tensor
    basis_low: Tensor
    drift: Tensor
    high: Tensor
    low: Tensor
    offsets: NDArray[np.int64]


def run_torch(request: SumRequest, tolerances: Array) -> SumOutcome:
    """Sum the potentials of a request with PyTorch operations.

    Parameters
    ----------
    request
        Crystals and potentials. The sums are done on ``request.device``, or else where the tensors
        of the request lie, or else on the CPU.
    tolerances
        (B, P) errors that are allowed.

    Returns
    -------
    SumOutcome
        Its values are an array if the request has no tensors; otherwise a tensor with a graph, for
        which derivatives of any order with respect to positions (at fixed cell), cells (at fixed
        Cartesian positions) and parameters exist.
    """
    with (
        torch_threads(request.threads),
        torch.set_grad_enabled(request.has_tensors and torch.is_grad_enabled()),
    ):
        values, certificates = _run(request, tolerances)
    return SumOutcome(values if request.has_tensors else values.cpu().numpy(), certificates)


def _run(request: SumRequest, tolerances: Array) -> tuple[Tensor, Array]:
    count = len(request.potentials)
    device = _device(request)
    certificates = np.zeros((len(request), count))
    if len(request) == 0:
        return torch.zeros((count, 0), dtype=torch.float64, device=device), certificates
    lattices = reduce_cells(as_floats(request.cells))
    with torch.no_grad():
        plan = make_plan(lattices, request.sizes, request.potentials, tolerances, request.splitting)
    geometry = _geometry(request, lattices, device)
    blocks, order = [], []
    for chosen in _chunks(request.sizes, plan):
        values, certificates[chosen] = _chunk_sums(request, lattices, plan, geometry, chosen)
        blocks.append(values)
        order.append(chosen)
    return _in_order(blocks, np.concatenate(order), request), certificates


def _device(request: SumRequest) -> torch.device:
    if request.device is not None:
        return torch.device(request.device)
    tensors = [value for value in (request.cells, request.positions) if is_tensor(value)]
    return tensors[0].device if tensors else torch.device("cpu")


def _geometry(request: SumRequest, lattices: Lattices, device: torch.device) -> _Geometry:
    owners = np.repeat(np.arange(len(request)), request.sizes)
    high, low, moves = wrap_positions(as_floats(request.positions), lattices, owners)
    cells = torch.as_tensor(request.cells, dtype=torch.float64, device=device)
    positions = torch.as_tensor(request.positions, dtype=torch.float64, device=device)
    transform = torch.as_tensor(lattices.transform, device=device)
    basis_drift = transform @ (cells - cells.detach())
    index = torch.as_tensor(owners, device=device)
    shift = (torch.as_tensor(moves, device=device)[:, None] @ basis_drift[index])[:, 0]
    return _Geometry(
        basis=torch.as_tensor(lattices.basis, device=device) + basis_drift,
        basis_low=torch.as_tensor(lattices.basis_low, device=device),
        drift=positions - positions.detach() - shift,
        high=torch.as_tensor(high, device=device),
        low=torch.as_tensor(low, device=device),
        offsets=request.offsets,
    )


def _chunks(sizes: NDArray[np.int64], plan: Plan) -> Iterator[NDArray[np.int64]]:
    """Group crystals of the same size and the same direct potentials, alike in work.

    Yields
    ------
    (C,) arrays of crystals
    """
    flags = plan.direct @ (1 << np.arange(plan.direct.shape[1]))
    images = plan.counting[2] * (plan.radius + 1.0 / plan.counting[0]) ** 3
    order = np.lexsort((images, flags, sizes))
    start = 0
    for stop in range(1, len(order) + 1):
        ends = stop == len(order)
        if not ends:
            first, following = order[start], order[stop]
            work = (stop - start + 1) * _work(sizes[following], images[following])
            ends = (
                sizes[first] != sizes[following] or flags[first] != flags[following] or work > BLOCK
            )
        if ends:
            yield order[start:stop]
            start = stop


def _work(size: int, images: float) -> float:
    return (0.5 * size * (size - 1) + 1.0) * 4.0 * (images + 30.0)


def _in_order(blocks: list[Tensor], order: NDArray[np.int64], request: SumRequest) -> Tensor:
    """Lay the sums of crystals out in the order of the request."""
    values = torch.cat(blocks, dim=1)
    lengths = request.sizes[order] ** 2
    places = np.zeros(len(request), dtype=np.int64)
    places[order] = np.cumsum(lengths) - lengths
    index = np.repeat(places - request.pair_offsets[:-1], request.sizes**2) + np.arange(
        values.shape[1]
    )
    return values[:, torch.as_tensor(index, device=values.device)]


def _chunk_sums(
    request: SumRequest,
    lattices: Lattices,
    plan: Plan,
    geometry: _Geometry,
    chosen: NDArray[np.int64],
) -> tuple[Tensor, Array]:
    """Return (P, C n²) sums and (C, P) certificates of C crystals of one size n."""
    size = int(request.sizes[chosen[0]])
    device = geometry.basis.device
    atoms = torch.as_tensor(request.offsets[chosen][:, None] + np.arange(size), device=device)
    index = torch.as_tensor(chosen, device=device)
    rows, columns = torch.tril_indices(size, size, -1, device=device)
    first = torch.zeros(1, dtype=torch.long, device=device)
    rows, columns = torch.cat([first, rows]), torch.cat([first, columns])
    basis = geometry.basis[index]
    drift, high, low = geometry.drift[atoms], geometry.high[atoms], geometry.low[atoms]
    exact = (basis.detach(), geometry.basis_low[index])
    value, moves = _nearest_images(exact, high, low, rows, columns)
    drifts = drift[:, rows] - drift[:, columns] - moves @ (basis - basis.detach())
    chunk = Chunk(
        potentials=list(request.potentials),
        plan=plan.select(chosen),
        basis=basis,
        wrapped=high + drift,
        pairs=value + drifts,
        rows=rows,
        columns=columns,
    )
    pair_sums, measures = add_spaces(chunk)
    square = torch.zeros((size, size), dtype=torch.long, device=device)
    numbers = torch.arange(len(rows), device=device)
    square[rows, columns] = numbers
    square[columns, rows] = numbers
    values = pair_sums[:, :, square.reshape(-1)].reshape(len(request.potentials), -1)
    with torch.no_grad():
        bounds = certify(chunk.potentials, chunk.plan, lattices.volume[chosen], measures)
    return values, bounds


def _nearest_images(
    basis: tuple[Tensor, Tensor], high: Tensor, low: Tensor, rows: Tensor, columns: Tensor
) -> tuple[Tensor, Tensor]:
    """Return (C, Q, 3) vectors from site j to site i near the origin, and the cells moved.

    The vectors are rounded only once, so that two sites close to each other, across a face of the
    cell or far from the origin, keep the full precision of their distance.
    """
    with torch.no_grad():
        difference = exact_sum(high[:, rows], -high[:, columns])
        difference = add(difference, exact_sum(low[:, rows], -low[:, columns]))
        moves = torch.round(difference[0] @ torch.linalg.inv(basis[0]))
        exact = (basis[0][:, None], basis[1][:, None])
        value, _ = add(difference, combine_rows(-moves, exact))
    return value, moves
