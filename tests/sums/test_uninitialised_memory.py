"""No number of the core depends on what memory held before: all of it is filled with NaN."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from places import SUPPORT

SHIM = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stddef.h>
#include <string.h>

static void *filled(void *memory, size_t size) {
  if (memory) memset(memory, 0xff, size);
  return memory;
}
void *malloc(size_t size) {
  static void *(*real)(size_t);
  if (!real) real = (void *(*)(size_t))dlsym(RTLD_NEXT, "malloc");
  return filled(real(size), size);
}
void *aligned_alloc(size_t alignment, size_t size) {
  static void *(*real)(size_t, size_t);
  if (!real) real = (void *(*)(size_t, size_t))dlsym(RTLD_NEXT, "aligned_alloc");
  return filled(real(alignment, size), size);
}
int posix_memalign(void **memory, size_t alignment, size_t size) {
  static int (*real)(void **, size_t, size_t);
  if (!real) real = (int (*)(void **, size_t, size_t))dlsym(RTLD_NEXT, "posix_memalign");
  int failed = real(memory, alignment, size);
  if (!failed) filled(*memory, size);
  return failed;
}
"""

SUMS = """
import numpy as np
from madelung.common import _core
from structures import make_structure
from madelung.crystals.crystal import Crystal
from madelung.sums.gradients import sums_with_gradient
from madelung.sums.potentials import Coulomb, Gaussian, InversePower, London, Pauli, Yukawa

potentials = [Coulomb(), London(), Pauli(3.0), Yukawa(1.0), Gaussian(0.5), InversePower(8.0)]
random, checked = np.random.default_rng(0), 0
for name in _core.instruction_sets():
    _core.set_instruction_set(name)
    for seed in range(40):
        structure = make_structure("skewed", "outside", 1 + seed % 6, seed)
        count = len(structure.positions)
        crystal = Crystal(structure.cell, structure.positions, np.full(count, 6))
        chosen = [potentials[seed % 6]] if seed % 2 else potentials
        result = sums_with_gradient(
            crystal, chosen, np.full(len(chosen), 1e-9),
            random.normal(size=(len(chosen), count, count)), executor="native",
        )
        for part in (result.values, result.certificates, result.by_position, result.by_cell):
            assert np.isfinite(part).all(), (name, seed, part)
            checked += 1
print("finite", checked)
"""

FORCE_FIELDS = """
import ase.build
import numpy as np
from madelung.forcefields.uf3.settings import ThreeBodyRange
from madelung.forcefields.uf3.settings import TwoBodyRange
from madelung.forcefields.uf3.settings import UF3Settings
from madelung.forcefields.uf3.potential import UF3Potential
from madelung.forcefields.uf3.features import Featurizer
from spline_potentials import random_meam
from madelung.crystals.crystal import Crystal

settings = UF3Settings(
    elements=("Ti", "O"),
    two_body=TwoBodyRange(minimum=0.5, maximum=5.0, intervals=6),
    three_body=ThreeBodyRange(minimum=0.5, maximum=4.0, intervals=(4, 4, 6)),
)
basis = settings.basis()
random = np.random.default_rng(0)
coefficients = random.normal(size=basis.size)
uf3 = UF3Potential(
    dict(zip(basis.species, coefficients)), basis.pairs(coefficients), basis.triplets(coefficients)
)
featurizer, checked = Featurizer(basis), 0
for seed in range(30):
    atoms = ase.build.bulk("Ti", "sc", a=2.6) * (1 + seed % 3, 1, 1 + seed % 2)
    atoms.positions += random.normal(scale=0.2, size=atoms.positions.shape)
    atoms.numbers = random.choice([8, 22], len(atoms))
    for force_field in (uf3, random_meam(seed)):
        found = force_field.evaluate(atoms)
        assert np.isfinite(found.energies).all() and np.isfinite(found.virial).all(), seed
        checked += 1
    rows = featurizer(Crystal.from_ase(atoms), virial=True)
    assert all(np.isfinite(part).all() for part in (rows.energy, rows.forces, rows.virial)), seed
print("finite", checked)
"""


@pytest.fixture(scope="module")
def shim(tmp_path_factory: pytest.TempPathFactory) -> Path:
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None or not sys.platform.startswith("linux"):
        pytest.skip("needs a C compiler and Linux's loader")
    pytest.importorskip("madelung.common._core")
    folder = tmp_path_factory.mktemp("shim")
    (folder / "shim.c").write_text(SHIM, encoding="utf-8")
    library = folder / "shim.so"
    command = [compiler, "-shared", "-fPIC", "-O1", "-o", str(library), str(folder / "shim.c")]
    subprocess.run([*command, "-ldl"], check=True)
    return library


@pytest.mark.slow
@pytest.mark.parametrize("code", [SUMS, FORCE_FIELDS], ids=["sums", "force fields"])
def test_results_do_not_depend_on_what_memory_held(shim: Path, code: str) -> None:
    environment = {**os.environ, "LD_PRELOAD": str(shim), "PYTHONMALLOC": "malloc"}
    here = str(SUPPORT)
    environment["PYTHONPATH"] = os.pathsep.join([here, os.environ.get("PYTHONPATH", "")])
    result = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr[-2000:]
    assert result.stdout.startswith("finite")
