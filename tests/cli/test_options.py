"""Options of all commands: each is declared once, and means the same everywhere."""

from __future__ import annotations

import inspect
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from pydantic import BaseModel
from typer.testing import CliRunner

import madelung as md
from madelung.calculations.dynamics import DynamicsSettings
from madelung.calculations.relax import relax
from madelung.cli import app
from madelung.cli.options import SETTINGS
from madelung.forcefields.neural.fit_settings import NeuralFitSettings, TrainingCourse
from madelung.forcefields.neural.settings import NeuralSettings
from madelung.forcefields.reference.reference_data import DataFiles
from madelung.forcefields.splines.settings import SplineMEAMSettings
from madelung.forcefields.uf3.run_fit import run_uf3_fit
from madelung.forcefields.uf3.settings import UF3Settings
from madelung.forcefields.uf3.sweep import sweep_uf3
from madelung.inputs.settings import GraphSettings, PairSettings
from madelung.models.settings import PotNetSettings, SumNetSettings
from madelung.teaching.run_teaching import TeachingShares
from madelung.training.settings import TrainingSettings

# Options that mean several things, and why.
SEVERAL_MEANINGS = {
    "--out": "a folder; but a file for what can go to the screen, a store, or a file of records",
    "--target": "one of a model's; or those of data sets to combine, which may be repeated",
    "--steps": "of a training; or of molecular dynamics",
}
KINDS: tuple[type[BaseModel], ...] = (
    TrainingSettings, GraphSettings, PairSettings, PotNetSettings, SumNetSettings,
    NeuralSettings, TrainingCourse, NeuralFitSettings, SplineMEAMSettings, UF3Settings,
)  # fmt: skip


def commands(command: Any = None, name: str = "") -> Iterator[tuple[str, Any]]:
    """Every command that does something, by its whole name."""
    command = typer.main.get_command(app) if command is None else command
    if not hasattr(command, "list_commands"):
        yield name, command
        return
    for own in command.list_commands(None):
        yield from commands(command.get_command(None, own), f"{name} {own}".strip())


COMMANDS = dict(commands())


def kind_of(option: Any) -> str:
    """The type of an option; newer versions of typer keep the annotation instead."""
    descriptor = getattr(option, "type_descriptor", None)
    return option.type.name if descriptor is None else str(descriptor.annotation)


def options_by_name() -> dict[str, list[tuple[str, Any]]]:
    found = defaultdict(list)
    for command, content in COMMANDS.items():
        for option in content.params:
            if option.param_type_name == "option":
                found[option.opts[0]].append((command, option))
    return found


def test_all_commands_are_seen() -> None:
    assert {"sums", "predict", "train", "fit uf3", "teach next", "data combine", "run md"} <= set(
        COMMANDS
    )
    assert len(COMMANDS) > 20


@pytest.mark.parametrize("name", sorted(options_by_name()))
def test_an_option_means_the_same_in_all_commands(name: str) -> None:
    """Options of settings say what the settings say; all others of a name have one help."""
    meanings, settings = set(), [kind.model_fields for kind in KINDS]
    for command, option in options_by_name()[name]:
        if option.hidden:
            continue
        if getattr(option, "rich_help_panel", None) == SETTINGS:
            described = {
                field.description
                for fields in settings
                for own, field in fields.items()
                if own == option.name
            }
            text = option.help.partition(" [dim]")[0]
            # The help of an architecture goes on with the names that there are.
            starts = [known.rstrip(".") for known in described if known]
            assert any(text.startswith(start) for start in starts), (command, text)
        else:
            meanings.add((option.help, kind_of(option)))
            assert option.help, command
    several = len(meanings) > 1
    assert several == (name in SEVERAL_MEANINGS), meanings


def test_everything_that_writes_takes_out_output_and_o() -> None:
    for command, content in COMMANDS.items():
        for option in content.params:
            if {"--out", "--output"} & set(option.opts):
                assert set(option.opts) == {"--out", "--output", "-o"}, command
                assert option.opts[0] == "--out" and option.name == "out", command


@pytest.mark.parametrize("name", ["--out", "--output", "-o"])
def test_all_three_names_write_the_file(name: str, tmp_path: Path) -> None:
    path = tmp_path / "sums.json"
    result = CliRunner().invoke(app, ["sums", "example:NaCl", name, str(path)])
    assert result.exit_code == 0, result.output
    assert path.is_file()


def default_of(command: str, name: str) -> Any:
    return next(option.default for option in COMMANDS[command].params if option.name == name)


def library_default(function: Any, name: str) -> Any:
    return inspect.signature(function).parameters[name].default


@pytest.mark.parametrize(
    ("command", "names", "function"),
    [
        ("sums", ("tolerance", "relative_tolerance", "executor"), md.complete_sums),
        ("fit uf3", ("tune", "threads", "resume"), run_uf3_fit),
        ("fit uf3", ("seed", "test_share"), DataFiles),
        ("fit neural", ("seed", "test_share"), DataFiles),
        ("fit meam", ("seed", "test_share"), DataFiles),
        ("teach train", ("validation_share=validation", "test_share=test"), TeachingShares),
        ("run relax", ("cell", "pressure", "force_tolerance", "max_steps", "optimiser"), relax),
        (
            "run md",
            ("ensemble", "thermostat", "temperature", "pressure", "time_step", "friction", "seed",
             "log_every", "trajectory_every", "checkpoint_every"),
            DynamicsSettings,
        ),
    ],
)  # fmt: skip
def test_defaults_are_those_of_the_library(
    command: str, names: tuple[str, ...], function: Any
) -> None:
    for name in names:
        option, _, parameter = name.partition("=")
        own, theirs = default_of(command, option), library_default(function, parameter or option)
        assert getattr(own, "value", own) == theirs, name


def test_a_sweep_learns_from_as_many_configurations_as_in_the_library() -> None:
    theirs = library_default(sweep_uf3, "configurations")
    assert default_of("fit uf3", "sweep_configurations") == theirs
