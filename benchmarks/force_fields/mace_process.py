"""Trains and times a MACE; runs in an environment of its own, for neural_beside_mace.py.

    OTHER/bin/python -m benchmarks.force_fields.mace_process TRAIN.extxyz TEST.extxyz OPTIONS_JSON

Prints one line of JSON. The loss, optimiser, batch size and average of the weights are the defaults
of MACE's own training command; the learning rate falls along a cosine to zero at the end of the
processor time that is given, which suits a short training better than its default.
"""

from __future__ import annotations

import json
import math
import os
import sys
import time
import warnings
from typing import Any

warnings.filterwarnings("ignore")
# e3nn's tables are in a format that newer versions of PyTorch load only if told so.
os.environ["TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD"] = "1"

import ase.io  # noqa: E402
import numpy as np  # noqa: E402
import torch  # noqa: E402
from e3nn import o3  # noqa: E402
from mace import data, modules, tools  # noqa: E402
from mace.tools import torch_geometric  # noqa: E402
from torch_ema import ExponentialMovingAverage  # noqa: E402

BATCH, RATE, DECAY, CLIP, CUTOFF = 10, 0.01, 0.99, 10.0, 5.0
ENERGY_WEIGHT, FORCES_WEIGHT = 1.0, 100.0


def atomic_data(frames: list[Any], table: Any) -> list[Any]:
    """Turn frames into MACE's graphs."""
    keys = data.utils.KeySpecification(
        info_keys={"energy": "REF_energy"}, arrays_keys={"forces": "REF_forces"}
    )
    items = [data.config_from_atoms(frame, key_specification=keys) for frame in frames]
    return [data.AtomicData.from_config(item, z_table=table, cutoff=CUTOFF) for item in items]


def build(frames: list[Any], graphs: list[Any], table: Any, irreps: str) -> Any:
    """Make the model as MACE's training command does."""
    counts = [len(frame) for frame in frames]
    energies = np.array([frame.info["REF_energy"] for frame in frames])
    element_energy = np.array([np.mean(energies / counts)])
    forces = np.concatenate([frame.arrays["REF_forces"].ravel() for frame in frames])
    neighbours = np.mean([graph.edge_index.shape[1] / len(graph.positions) for graph in graphs])
    return modules.ScaleShiftMACE(
        r_max=CUTOFF, num_bessel=8, num_polynomial_cutoff=5, max_ell=3, num_interactions=2,
        interaction_cls=modules.interaction_classes["RealAgnosticResidualInteractionBlock"],
        interaction_cls_first=modules.interaction_classes["RealAgnosticInteractionBlock"],
        num_elements=len(table), hidden_irreps=o3.Irreps(irreps), MLP_irreps=o3.Irreps("16x0e"),
        gate=torch.nn.functional.silu, atomic_energies=element_energy,
        avg_num_neighbors=float(neighbours), atomic_numbers=table.zs, correlation=3,
        atomic_inter_scale=float(np.sqrt(np.mean(forces**2))), atomic_inter_shift=0.0,
    )  # fmt: skip


def train(model: Any, graphs: list[Any], seconds: float) -> dict[str, float]:
    """Train for so much processor time; return the time of an atom and step, and the epochs."""
    loader = torch_geometric.dataloader.DataLoader(graphs, batch_size=BATCH, shuffle=True)
    loss_of = modules.WeightedEnergyForcesLoss(ENERGY_WEIGHT, FORCES_WEIGHT)
    optimiser = torch.optim.Adam(model.parameters(), lr=RATE, amsgrad=True)
    average = ExponentialMovingAverage(model.parameters(), decay=DECAY)
    begun, atoms, epochs = time.process_time(), 0, 0.0
    while True:
        for batch in loader:
            spent = time.process_time() - begun
            if spent > seconds:
                average.copy_to()
                return {"microseconds": 1e6 * spent / atoms, "epochs": epochs}
            for group in optimiser.param_groups:
                group["lr"] = 0.5 * RATE * (1.0 + math.cos(math.pi * spent / seconds))
            optimiser.zero_grad(set_to_none=True)
            output = model(batch.to_dict(), training=True, compute_force=True)
            loss_of(pred=output, ref=batch).backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), CLIP)
            optimiser.step()
            average.update()
            atoms += len(batch.positions)
            epochs += batch.num_graphs / len(graphs)


def errors(model: Any, graphs: list[Any]) -> dict[str, float]:
    """Root mean square errors in meV/atom and eV/Å."""
    loader = torch_geometric.dataloader.DataLoader(graphs, batch_size=BATCH, shuffle=False)
    energies, forces = [], []
    for batch in loader:
        output = model(batch.to_dict(), compute_force=True)
        atoms = batch.ptr[1:] - batch.ptr[:-1]
        energies.append(((output["energy"] - batch.energy) / atoms).detach())
        forces.append((output["forces"] - batch.forces).detach().flatten())
    return {
        "energy_rmse": 1e3 * float(torch.cat(energies).square().mean().sqrt()),
        "force_rmse": float(torch.cat(forces).square().mean().sqrt()),
    }


def inference(model: Any, frame: Any, table: Any) -> float:
    """Processor time in µs of energy and forces of an atom, the shortest of three, graph given."""
    loader = torch_geometric.dataloader.DataLoader(atomic_data([frame], table), batch_size=1)
    batch = next(iter(loader)).to_dict()
    times = []
    for _ in range(4):
        begun = time.process_time()
        model(batch, compute_force=True)
        times.append(time.process_time() - begun)
    return 1e6 * min(times[1:]) / len(frame)


def main() -> None:
    """Train, test, time."""
    options = json.loads(sys.argv[3])
    torch.set_num_threads(1)
    torch.manual_seed(0)
    torch.set_default_dtype(torch.float32)
    training, test = (ase.io.read(path, ":") for path in sys.argv[1:3])
    table = tools.get_atomic_number_table_from_zs([options["number"]])
    graphs = atomic_data(training, table)
    model = build(training, graphs, table, options["irreps"])
    found: dict[str, Any] = {"parameters": sum(value.numel() for value in model.parameters())}
    found["training"] = train(model, graphs, options["seconds"])
    found["errors"] = errors(model, atomic_data(test, table))
    cell = ase.io.read(options["cell"])
    found["microseconds"] = inference(model, cell, table)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
