"""Ctrl-C ends sums at once, whatever the native core is at."""

import os
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

import madelung as md
from madelung.common.interruption import interruptible
from madelung.common.native import native_core

pytestmark = pytest.mark.skipif(native_core() is None, reason="the core is not installed")

# A splitting far from the best one takes minutes.
_LONG = """
import signal, sys, time
import madelung as md
print("begun", flush=True)
try:
    md.complete_sums(md.example("NaCl"), [md.Coulomb(), md.London()], splitting=1000.0)
except KeyboardInterrupt:
    print("interrupted", flush=True)
    raise SystemExit(130)
"""


def test_a_long_sum_ends_at_once() -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", _LONG], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None and process.stdout.readline() == "begun\n"
    time.sleep(0.5)
    assert process.poll() is None
    process.send_signal(signal.SIGINT)
    begun = time.monotonic()
    out, error = process.communicate(timeout=30)
    assert time.monotonic() - begun < 10.0
    assert (process.returncode, out, error) == (130, "interrupted\n", "")


@pytest.mark.parametrize("with_gradient", [False, True])
def test_interruption_comes_through_in_this_process(with_gradient: bool) -> None:
    torch = pytest.importorskip("torch")
    salt = md.example("NaCl").repeat((5, 5, 5))
    if with_gradient:
        salt = md.Crystal(
            cell=torch.tensor(np.asarray(salt.cell), requires_grad=True),
            positions=torch.tensor(np.asarray(salt.positions)),
            numbers=salt.numbers,
        )
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    timer = threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    try:
        with pytest.raises(KeyboardInterrupt):
            for _ in range(1000):
                md.complete_sums(salt, [md.Coulomb()], threads=1)
    finally:
        timer.join()
        signal.signal(signal.SIGINT, before)


def test_results_and_errors_come_through() -> None:
    many = [md.example("NaCl")] * 400
    one = md.complete_sums(many[0], [md.Coulomb(), md.London()])
    all_of_them = md.complete_sums(many, [md.Coulomb(), md.London()])
    assert all(np.array_equal(values, one.values) for values in all_of_them.values)
    thin = md.example("NaCl").repeat((3, 3, 3))
    with pytest.raises(md.CrystalError, match="lattice points"):
        md.complete_sums(thin, [md.Coulomb()], splitting=1e4)
    with pytest.raises(ZeroDivisionError):
        interruptible(lambda: 1 / 0)
    assert interruptible(divmod, 7, 2) == (3, 1)


def test_other_threads_just_work() -> None:
    found: list[threading.Thread] = []
    own = threading.Thread(target=lambda: found.append(interruptible(threading.current_thread)))
    own.start()
    own.join()
    assert found == [own]
