"""Predictions in the forms that public leaderboards take.

Matbench v0.1 (https://matbench.materialsproject.org): ``results.json.gz`` as
``MatbenchBenchmark.to_file`` of matbench writes it, and ``info.json``.

JARVIS leaderboard (https://pages.nist.gov/jarvis_leaderboard): a zip archive of a CSV file with
the columns id and prediction, called by the benchmark, and ``metadata.json``.

What only the submitter knows (authors, references, addresses) is left empty.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from madelung.common.outputs import json_text, whole_file
from madelung.common.tables import TableWriter
from madelung.common.version import __version__

__all__ = ["FoldPredictions", "write_jarvis_submission", "write_matbench_submission"]

# The version of matbench whose format this is; its reader warns of others.
_MATBENCH_VERSION = "0.6"
# Relative errors are counted where the true value is farther from zero than this.
_SMALLEST_TRUTH = 1e-5


@dataclass(frozen=True, eq=False)
class FoldPredictions:
    """Predictions for the n test crystals of a fold.

    Parameters
    ----------
    fold
        Number of the fold, from 0.
    ids
        (n,) names of the crystals.
    truths, predictions
        (n,) known and predicted values.
    uncertainties, uncertainties_90
        (n,) stated half-widths that hold 68 % and 90 % of the errors.
    """

    fold: int
    ids: Sequence[str]
    truths: NDArray[np.float64]
    predictions: NDArray[np.float64]
    uncertainties: NDArray[np.float64]
    uncertainties_90: NDArray[np.float64]


def write_matbench_submission(
    folder: Path,
    task: str,
    folds: Sequence[FoldPredictions],
    *,
    algorithm: str,
    description: str,
    parameters: Mapping[str, Any],
) -> list[Path]:
    """Write ``results.json.gz`` and ``info.json``.

    Parameters
    ----------
    folder
        Where to write.
    task
        Matbench's name of the task, as ``matbench_jdft2d``.
    folds
        All of its folds.
    algorithm, description
        Short name of the model, and a sentence about it.
    parameters
        Settings, noted with each fold.

    Returns
    -------
    list of Path
        The files.
    """
    content = _matbench_content(task, folds, algorithm, parameters)
    content["hash"] = _matbench_hash(content)
    data = json_text(content, sort_keys=True).encode("utf-8")
    with (
        whole_file(folder / "results.json.gz") as temporary,
        temporary.open("wb") as raw,
        # Without a time and a name, the same data give the same file.
        gzip.GzipFile("", "wb", fileobj=raw, mtime=0) as stream,
    ):
        stream.write(data)
    information = {
        "authors": "",
        "algorithm": algorithm,
        "algorithm_long": description,
        "bibtex_refs": [],
        "notes": "",
        "requirements": {"python": [f"madelung=={__version__}"]},
    }
    _write_json(folder / "info.json", information)
    return [folder / "results.json.gz", folder / "info.json"]


def _matbench_content(
    task: str, folds: Sequence[FoldPredictions], algorithm: str, parameters: Mapping[str, Any]
) -> dict[str, Any]:
    """What the file holds beside its checksum."""
    results = {
        f"fold_{fold.fold}": {
            "data": dict(zip(fold.ids, map(float, fold.predictions), strict=True)),
            "parameters": dict(parameters),
            "scores": _matbench_scores(fold),
        }
        for fold in folds
    }
    return {
        "@module": "matbench.bench",
        "@class": "MatbenchBenchmark",
        "version": _MATBENCH_VERSION,
        "benchmark_name": "matbench_v0.1",
        "tasks": {
            task: {
                "@module": "matbench.task",
                "@class": "MatbenchTask",
                "benchmark_name": "matbench_v0.1",
                "dataset_name": task,
                "results": results,
            }
        },
        "user_metadata": {"algorithm": algorithm, "madelung": __version__},
        "datestamp": datetime.now(UTC).strftime("%Y.%m.%d %H:%M.%S"),
    }


def _matbench_scores(fold: FoldPredictions) -> dict[str, float]:
    errors = np.abs(fold.predictions - fold.truths)
    counted = np.abs(fold.truths) > _SMALLEST_TRUTH
    relative = errors[counted] / np.abs(fold.truths[counted])
    return {
        "mae": float(errors.mean()),
        "rmse": float(np.sqrt((errors**2).mean())),
        "mape": float(relative.mean()) if len(relative) else 0.0,
        "max_error": float(errors.max()),
    }


def _matbench_hash(content: Mapping[str, Any]) -> str:
    """Checksum by which matbench tells whether a file was changed: SHA-256 of the sorted JSON."""
    return hashlib.sha256(json_text(content, sort_keys=True).encode("utf-8")).hexdigest()


def write_jarvis_submission(
    folder: Path,
    target: str,
    predictions: FoldPredictions,
    *,
    algorithm: str,
    seconds: float,
    machine: str,
) -> list[Path]:
    """Write the zip archive of predictions and ``metadata.json``.

    Parameters
    ----------
    folder
        Where to write.
    target
        The property, as in ``dft_3d``.
    predictions
        Those for the official test crystals.
    algorithm
        Name of the model.
    seconds
        Time that the training took.
    machine
        What it ran on.

    Returns
    -------
    list of Path
        The files.
    """
    name = f"AI-SinglePropertyPrediction-{target}-dft_3d-test-mae.csv"
    text = io.StringIO()
    writer = TableWriter(text)
    writer.writerow(["id", "prediction"])
    for crystal, value in zip(predictions.ids, predictions.predictions, strict=True):
        writer.writerow([crystal, f"{value:.8g}"])
    archive = folder / f"{name}.zip"
    with (
        whole_file(archive) as temporary,
        zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as stream,
    ):
        # With a time of its own choice, the same predictions give the same file.
        stream.writestr(zipfile.ZipInfo(name), text.getvalue(), zipfile.ZIP_DEFLATED)
    metadata = {
        "model_name": algorithm,
        "project_url": "",
        "date_submitted": datetime.now(UTC).strftime("%m-%d-%Y"),
        "author_email": "",
        "database_version": "8-18-2021",
        "team_name": "",
        "time_taken_seconds": round(seconds),
        "language": "python",
        "os": machine.rpartition(", ")[2].lower(),
        "software_used": f"madelung {__version__}, torch, numpy",
        "hardware_used": machine,
        "git_url": [],
    }
    _write_json(folder / "metadata.json", metadata)
    return [archive, folder / "metadata.json"]


def _write_json(path: Path, content: Any) -> None:
    with whole_file(path) as temporary:
        temporary.write_text(json_text(content, indent=2) + "\n", encoding="utf-8")
