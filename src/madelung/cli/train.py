"""``madelung train``: a model of one's own."""

from __future__ import annotations

import inspect
import sys
from copy import copy
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_args, get_origin

import typer
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from madelung.cli import options
from madelung.cli.options import single_command
from madelung.models.settings import ARCHITECTURES
from madelung.training.settings import FORMER_SETTINGS, TrainingSettings

if TYPE_CHECKING:
    from madelung.training.results import TrainingResult

__all__ = ["app", "train"]

_STORE = "dataset"
# Options that the training of a force field has too.
_FOR_FORCE_FIELDS = {
    *("seed", "epochs", "batch_size", "learning_rate", "test_share"),
    *("cutoff", "layers", "features"),
}
_HELP = """
Train a model on crystals with known properties.

DATASET is a file or folder (JSON lines, a folder of structures with a CSV of targets, JARVIS or \
Matbench JSON, extxyz), a store, or a name that 'madelung data list' shows. The best model by \
validation is kept and tested once. The folder then holds model/, predictions.csv, results.json, \
history.csv, TensorBoard logs and plots.

A run that was stopped, or killed at any moment, goes on with the same command and --resume, and \
ends with the same weights as if it had never stopped. Several processes: \
torchrun --nproc-per-node 2 -m madelung.cli train ...

With --target energy,forces an extxyz file is learnt as a force field, as by madelung fit neural, \
whose settings a configuration file then holds.

[bold]Examples[/bold]

  madelung train example:jarvis --target formation_energy_peratom --out run --features 64

  madelung train folder/ --target band_gap --out run --config settings.yaml

  madelung train matbench/jdft2d --split fold-0 --out run --epochs 200

  madelung train example:jarvis --target formation_energy_peratom --out run --features 64 --resume
"""


def train(
    dataset: str, out: Path, config: Path | None, resume: bool, quiet: bool, **changes: Any
) -> None:
    from madelung.cli.files import list_dropped
    from madelung.data.dataset import open_dataset
    from madelung.data.summary import without_value
    from madelung.training.settings import read_settings
    from madelung.training.trainer import Trainer

    if "forces" in _split(changes["target"] or []):
        _train_force_field(dataset, out, config, resume, quiet, changes)
        return
    settings = read_settings(config, _nested(changes))
    trainer = Trainer(settings, out, resume=resume, quiet=quiet)
    store = open_dataset(
        _source(dataset, out, resume),
        # Of several processes each but the first has a copy of its own.
        folder=out / _STORE if trainer.speaks else None,
        progress=not quiet and trainer.speaks,
    )
    if trainer.speaks:
        list_dropped([*store.problems, *without_value(store, settings.target)])
    result = trainer.fit(store)
    if trainer.speaks:
        _print_summary(result)


train.__doc__ = _HELP


def _train_force_field(
    dataset: str,
    out: Path,
    config: Path | None,
    resume: bool,
    quiet: bool,
    changes: dict[str, Any],
) -> None:
    """Hand over to ``madelung fit neural``."""
    from madelung.cli.fit.neural import neural
    from madelung.common.errors import TrainingError

    given = {name: value for name, value in changes.items() if value not in (None, [])}
    given.pop("target")
    unknown = sorted(set(given) - _FOR_FORCE_FIELDS)
    if unknown:
        names = ", ".join(name.replace("_", "-") for name in unknown)
        raise TrainingError(
            f"a force field is not trained with --{names}; 'madelung fit neural --help' lists its "
            "options"
        )
    neural([dataset], out, config=config, resume=resume, quiet=quiet, **given)


def _source(dataset: str, out: Path, resume: bool) -> str | Path:
    """What a run reads: when it goes on, the store that it has made of its data set."""
    made = out / _STORE
    return made if resume and (made / "store.json").is_file() else dataset


def _options() -> dict[str, tuple[str | None, FieldInfo]]:
    """Every setting by its option's name: the group it belongs to, and what is known about it.

    Settings that several kinds have in common are described as those of the default kind.
    """
    found: dict[str, tuple[str | None, FieldInfo]] = {}
    for name, field in TrainingSettings.model_fields.items():
        kinds = [kind for kind in get_args(field.annotation) or () if _is_settings(kind)]
        usual = type(field.get_default(call_default_factory=True))
        for kind in sorted(kinds, key=lambda kind: kind is usual):
            found |= {own: (name, inner) for own, inner in kind.model_fields.items()}
        if not kinds:
            found[name] = (None, field)
    return found


def _is_settings(kind: Any) -> bool:
    return inspect.isclass(kind) and issubclass(kind, BaseModel)


def _nested(changes: dict[str, Any]) -> dict[str, Any]:
    """Put options that were given into the groups of the settings."""
    known, nested = _options(), dict[str, Any]()
    for given, value in changes.items():
        if value is None or value == []:
            continue
        name = FORMER_SETTINGS.get(given, given)
        if name != given:
            print(f"--{given} is now --{name}; use that, the old name will go", file=sys.stderr)
        group, field = known[name]
        if _is_tuple(field):
            value = _split(value)
        if group is None:
            nested[name] = value
        else:
            nested.setdefault(group, {})[name] = value
    return nested


def _split(values: list[str]) -> list[str]:
    return [part for item in values for part in item.split(",")]


def _is_tuple(field: FieldInfo) -> bool:
    return get_origin(field.annotation) is tuple


def _parameter(name: str, field: FieldInfo) -> inspect.Parameter:
    """An option without a default of its own, so that a configuration file keeps its say."""
    kind: Any = field.annotation
    if _is_tuple(field):
        kind = list[str]
    elif get_args(kind) and all(isinstance(value, str) for value in get_args(kind)):
        kind = str
    if name == "architecture":
        field = copy(field)
        field.description = f"{(field.description or '').rstrip('.')}: {ARCHITECTURES.listed}."
    callback = options.bounded if name == "threads" else None
    annotation = Annotated[kind | None, options.setting(field, callback=callback)]
    return inspect.Parameter(
        name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation
    )


def _signature() -> inspect.Signature:
    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    dataset = Annotated[str, typer.Argument(metavar="DATASET", help="Data set.")]
    fixed = [
        inspect.Parameter("dataset", kind, annotation=dataset),
        inspect.Parameter("out", kind, annotation=options.Out),
        inspect.Parameter("config", kind, default=None, annotation=options.Config),
        inspect.Parameter("resume", kind, default=False, annotation=options.Resume),
        inspect.Parameter("quiet", kind, default=False, annotation=options.Quiet),
    ]
    former = [
        inspect.Parameter(
            name,
            inspect.Parameter.KEYWORD_ONLY,
            default=None,
            annotation=Annotated[float | None, typer.Option(hidden=True)],
        )
        for name in FORMER_SETTINGS
    ]
    settings = (_parameter(name, field) for name, (_, field) in _options().items())
    return inspect.Signature([*fixed, *settings, *former])


def _print_summary(result: TrainingResult) -> None:
    from rich.table import Table

    from madelung.common.terminal import LiteralConsole

    table = Table(title=f"best epoch {result.best_epoch}, {result.seconds / 60:.1f} min")
    table.add_column("target", overflow="fold")
    table.add_column("part")
    for name in ("crystals", "MAE", "95 % interval", "R²"):
        table.add_column(name, justify="right")
    units = {card.name: card.unit for card in result.model.card.targets}
    for part, targets in result.errors.items():
        for name, errors in targets.items():
            low, high = errors.mae_interval
            table.add_row(
                name,
                "validation" if part == "val" else part,
                str(errors.count),
                f"{errors.mae:.4g} {units[name]}",
                f"{low:.4g} to {high:.4g}",
                f"{errors.r2:.3f}",
            )
    console = LiteralConsole()
    console.print(table)
    console.print(f"model, predictions, logs and plots: {result.folder}")


train.__signature__ = _signature()  # type: ignore[attr-defined]
train.__annotations__ = {
    name: parameter.annotation for name, parameter in _signature().parameters.items()
}
app = single_command(train)
