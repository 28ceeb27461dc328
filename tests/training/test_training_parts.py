"""Parts of training by themselves: settings, losses, learning rate, published errors."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from places import SHARED

import madelung as md
from madelung.learning.objective import one_cycle_rate, scale_loss, value_loss
from madelung.training.settings import read_settings


def test_a_configuration_file(tmp_path: Path) -> None:
    path = tmp_path / "settings.yaml"
    path.write_text("epochs: 7\nnetwork:\n  features: 24\ntarget: [a]\n", encoding="utf-8")
    found = read_settings(path, {"epochs": 9, "network": {"layers": 1}})
    assert (found.epochs, found.network.features, found.network.layers) == (9, 24, 1)
    assert found.target == ("a",)
    path.write_text("epochs: [", encoding="utf-8")
    with pytest.raises(md.TrainingError, match="no YAML"):
        read_settings(path)


def test_losses_against_their_formulas() -> None:
    generator = np.random.default_rng(0)
    outputs, goals, scales = generator.normal(size=(3, 20, 3))
    goals[generator.random(goals.shape) < 0.3] = np.nan
    known = np.isfinite(goals)
    tensors = [torch.from_numpy(array) for array in (outputs, goals, scales)]
    total, count = value_loss(tensors[0], tensors[1], "l1")
    assert count == known.sum()
    assert float(total) == pytest.approx(np.abs(outputs - goals)[known].sum())
    total, _ = value_loss(tensors[0], tensors[1], "mse")
    assert float(total) == pytest.approx(((outputs - goals) ** 2)[known].sum())
    expected = (np.abs(outputs - goals) / np.exp(scales) + scales)[known].sum()
    assert float(scale_loss(tensors[0], tensors[2], tensors[1])) == pytest.approx(expected)


def test_the_course_of_the_learning_rate_is_that_of_pytorch() -> None:
    weight = torch.nn.Parameter(torch.zeros(1))
    optimiser = torch.optim.SGD([weight], lr=1.0)
    course = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, max_lr=1e-3, total_steps=201, pct_start=0.1, cycle_momentum=False
    )
    for step in range(200):
        peak = 0.1 * 201 - 1  # PyTorch's cycle turns one step earlier
        ours = one_cycle_rate(step, 200, 1e-3, peak / 200)
        assert ours == pytest.approx(course.get_last_lr()[0], rel=1e-9, abs=1e-12)
        optimiser.step()
        course.step()


@pytest.mark.slow
def test_published_errors_are_those_of_the_same_crystals() -> None:
    """The table of published models appears for exactly the crystals that it is about."""
    import gzip

    from madelung.training.report import published_errors

    data = SHARED / "data" / "crystals"
    if not (data / "reference_maes.json").exists():
        pytest.skip("the shared data sets are not here")
    reference = json.loads((data / "reference_maes.json").read_text(encoding="utf-8"))
    with gzip.open(data / "jarvis_dft3d_subset.jsonl.gz", "rt", encoding="utf-8") as lines:
        records = [json.loads(line) for line in lines]
    for target in ("formation_energy_peratom", "optb88vdw_bandgap", "exfoliation_energy"):
        ids = [
            record["id"]
            for record in records
            if record["split"].get(target) == "test" and record["targets"].get(target) is not None
        ]
        expected = reference[f"jarvis/{target}"]["kgcnn_coGN"]["subset"]
        assert published_errors(target, ids)["coGN"] == expected
        assert published_errors(target, ids[:-1]) == {}
