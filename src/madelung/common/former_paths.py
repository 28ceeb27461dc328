"""Modules that documentation of an earlier version named, under the names they had then.

They work for one version more: a name taken from one is that of today, with a warning.
"""

from __future__ import annotations

import importlib
import sys
import warnings
from collections.abc import Callable, Sequence
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import Any

__all__ = ["FORMER_MODULES", "former_names", "install_former_paths"]

FORMER_MODULES = {
    "madelung.crystal": "madelung.crystals.crystal",
    "madelung.crystal_arguments": "madelung.crystals.reading.arguments",
    "madelung.errors": "madelung.common.errors",
    "madelung.examples": "madelung.crystals.examples",
    "madelung.forcefields.complete_pairs": "madelung.forcefields.pairs.complete_pairs",
    "madelung.forcefields.configurations": "madelung.forcefields.reference.configurations",
    "madelung.forcefields.effective_phonons": "madelung.phonons.effective",
    "madelung.forcefields.jobs.dynamics": "madelung.calculations.dynamics",
    "madelung.forcefields.jobs.elastic": "madelung.calculations.elastic",
    "madelung.forcefields.jobs.equation_of_state": "madelung.calculations.equation_of_state",
    "madelung.forcefields.jobs.relax": "madelung.calculations.relax",
    "madelung.forcefields.jobs.vacancy": "madelung.calculations.vacancy",
    "madelung.forcefields.neighbours": "madelung.crystals.neighbours",
    "madelung.forcefields.reference_data": "madelung.forcefields.reference.reference_data",
    "madelung.forcefields.validation": "madelung.forcefields.soundness.validation",
    "madelung.graph": "madelung.inputs.near_graph",
    "madelung.graph_settings": "madelung.inputs.settings",
    "madelung.io": "madelung.crystals.reading.files",
    "madelung.pair_functions": "madelung.inputs.pair_functions",
    "madelung.pair_graph": "madelung.inputs.pair_graph",
    "madelung.training.benchmark": "madelung.leaderboards.benchmark",
    "madelung.transfer.active": "madelung.teaching.active",
    "madelung.transfer.choice": "madelung.teaching.choice",
    "madelung.transfer.descriptors": "madelung.teaching.descriptors",
    "madelung.transfer.labelling": "madelung.teaching.labelling",
    "madelung.transfer.labels": "madelung.teaching.labels",
    "madelung.transfer.mixture": "madelung.teaching.mixture",
    "madelung.transfer.proposal": "madelung.teaching.proposal",
    "madelung.transfer.report": "madelung.teaching.report",
    "madelung.transfer.shifts": "madelung.teaching.shifts",
    "madelung.transfer.sources": "madelung.teaching.sources",
    "madelung.transfer.supervision": "madelung.teaching.supervision",
    "madelung.transfer.tables": "madelung.teaching.tables",
    "madelung.transfer.teachers": "madelung.teaching.teachers",
}
"""Today's module of each former one."""

_PACKAGES = {name.rpartition(".")[0] for name in FORMER_MODULES}


class _FormerModule(ModuleType):
    """A module whose names are those of another."""

    def __getattr__(self, name: str) -> Any:
        home = FORMER_MODULES.get(self.__name__)
        if home is None or name.startswith("__"):
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")
        public = name in sys.modules["madelung"].__all__
        # A batch left the module of crystals; what is public is found wherever it stands.
        value = getattr(sys.modules["madelung"] if public else importlib.import_module(home), name)
        _warn(f"{self.__name__}.{name}", f"{'madelung' if public else home}.{name}")
        return value


class _FormerPaths:
    """Finds and loads former modules where nothing else has found any.

    It has the methods of a finder and of a loader without their base classes, whose import would
    take longer than that of all else.
    """

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname not in FORMER_MODULES and fullname not in _PACKAGES:
            return None
        loader: Any = self
        return ModuleSpec(fullname, loader, is_package=fullname in _PACKAGES)

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return _FormerModule(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        """Nothing has to run: names are looked up when they are asked for."""


def install_former_paths() -> None:
    """Let former modules be imported."""
    sys.meta_path.append(_FormerPaths())


def former_names(package: str) -> Callable[[str], Any]:
    """Return a ``__getattr__`` of a package that once had the public names of its modules."""

    def find(name: str) -> Any:
        face = sys.modules["madelung"]
        # Modules of the package are found by the import that asked for them.
        folders = list(sys.modules[package].__path__)
        if name in face.__all__ and PathFinder.find_spec(f"{package}.{name}", folders) is None:
            value = getattr(face, name)
            if value.__module__.startswith(f"{package}."):
                _warn(f"{package}.{name}", f"madelung.{name}")
                return value
        raise AttributeError(f"module {package!r} has no attribute {name!r}")

    return find


def _warn(former: str, instead: str) -> None:
    warnings.warn(
        f"{former} has moved, and this name will be gone in the next version: use {instead}",
        DeprecationWarning,
        stacklevel=3,
    )
