"""``madelung predict``: a property of the crystals in files."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, TextIO

from madelung.cli import options
from madelung.cli.options import single_command
from madelung.common.outputs import json_text
from madelung.common.tables import TableWriter
from madelung.common.text import shown
from madelung.models.shipped import DEFAULT_MODEL

if TYPE_CHECKING:
    from madelung.models.files import FilePrediction

__all__ = ["app", "predict"]

_HELP = """
Predict a property of crystals, with its uncertainty.

The uncertainty is the half-width of the interval that held the true value of 68 % of validation \
crystals. A warning says where a crystal is unlike those that the model was trained on.

[bold]Examples[/bold]

  madelung predict NaCl.cif

  madelung predict example:TiO2 --model band-gap --json

  madelung predict folder/ --model run --csv --out predictions.csv --workers 2
"""
_COLUMNS = (
    "file", "formula", "target", "value", "unit", "uncertainty", "uncertainty_90", "novelty",
    "shown_value", "shown_unit", "low_90", "high_90", "warnings",
)  # fmt: skip


def predict(
    files: options.CrystalFiles,
    model: options.ModelName = DEFAULT_MODEL,
    target: options.ModelTarget = None,
    as_json: options.AsJson = False,
    as_csv: options.AsCsv = False,
    out: options.OutFile = None,
    format: options.Format = None,
    every: options.Every = False,
    strict: options.Strict = False,
    max_atoms: options.MaxAtoms = 2000,
    threads: options.Threads = None,
    workers: options.Workers = 1,
) -> None:
    from madelung.cli.files import choose_form, example_paths, open_output, with_progress
    from madelung.common.machine import available_cores, torch_threads
    from madelung.data.crystal_files import find_sources, iterate_sources
    from madelung.models.files import predict_items
    from madelung.models.shipped import load

    form = choose_form(as_json, as_csv, out)
    threads = threads or available_cores()
    loaded = load(model, target=target)
    examples = example_paths(files)
    given = {str(path): name for name, path in examples.items()}
    paths = find_sources(examples.get(file, file) for file in files)
    entries = predict_items(
        loaded,
        iterate_sources(paths, format=format, every=every),
        max_atoms=max_atoms,
        threads=threads,
        workers=workers,
    )
    with torch_threads(threads), open_output(out, form, "predictions") as stream:
        report = _PredictionOutput(form, stream, given)
        for entry in with_progress(entries, len(paths), quiet=stream is sys.stdout):
            if entry.problem is not None and strict:
                raise entry.problem
            report.add(entry)
        report.close()
    report.conclude()


predict.__doc__ = _HELP
app = single_command(predict)


class _PredictionOutput:
    """Writes predictions as they come, and counts what could not be used.

    Parameters
    ----------
    form
        ``"json"``, ``"csv"`` or ``"txt"``.
    stream
        Where to write.
    given
        Names of files that were asked for by another name than their path.
    """

    def __init__(self, form: str, stream: TextIO, given: dict[str, str]) -> None:
        self._form, self._stream, self._given = form, stream, given
        self._separator = "[\n"
        self._rows = TableWriter(stream)
        self._problems: list[str] = []
        self._done = 0
        if form == "csv":
            self._rows.writerow([*_COLUMNS, "error"])

    def add(self, entry: FilePrediction) -> None:
        """Write one crystal."""
        if entry.problem is None:
            self._done += 1
        else:
            self._problems.append(str(entry.problem))
        name = self._given.get(entry.source, entry.source)
        content = _as_object(name, entry)
        if self._form == "json":
            self._stream.write(self._separator)
            self._separator = ",\n"
            self._stream.write(json_text(content, ensure_ascii=False))
        elif self._form == "csv":
            content["warnings"] = "; ".join(content.get("warnings", []))
            self._rows.writerow([content.get(column, "") for column in (*_COLUMNS, "error")])
        elif entry.prediction is not None:
            self._stream.write(shown(_as_line(name, entry)) + "\n")

    def close(self) -> None:
        """End the output."""
        if self._form == "json":
            self._stream.write("[]\n" if self._separator == "[\n" else "\n]\n")

    def conclude(self) -> None:
        """Report what could not be used; the exit code is 1 if nothing could."""
        from madelung.cli.files import report_problems

        report_problems(self._done, self._problems, "predicted")


def _as_object(name: str, entry: FilePrediction) -> dict[str, Any]:
    prediction = entry.prediction
    if prediction is None:
        return {"file": name, "error": str(entry.problem)}
    return {
        "file": name,
        "formula": entry.formula,
        "target": prediction.target,
        "value": prediction.value,
        "unit": prediction.unit,
        "uncertainty": prediction.uncertainty,
        "uncertainty_90": prediction.uncertainty_90,
        "novelty": prediction.novelty,
        "shown_value": prediction.shown.value,
        "shown_unit": prediction.shown.unit,
        "low_90": prediction.shown.low_90,
        "high_90": prediction.shown.high_90,
        "warnings": list(prediction.warnings),
    }


def _as_line(name: str, entry: FilePrediction) -> str:
    prediction = entry.prediction
    assert prediction is not None
    text = f"{name}  {entry.formula}  {prediction}"
    return text + "".join(f"\n  warning: {warning}" for warning in prediction.warnings)
