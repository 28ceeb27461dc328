"""Labels by teachers that hang, die, raise and return nonsense, beside those that work."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import ase.build
import ase.io
import numpy as np
import pytest
from ase.calculators.emt import EMT
from lammps_machine import needs_lammps
from spline_potentials import smooth_eam
from teacher_doubles import MARKED

from madelung.common.errors import ForceFieldError
from madelung.common.interruption import JobInterrupted
from madelung.forcefields.files import load_force_field
from madelung.forcefields.reference.configurations import Configuration, read_configurations
from madelung.forcefields.splines.lammps_files import write_eam_alloy
from madelung.forcefields.uf3.fit import fit_uf3
from madelung.forcefields.uf3.settings import UF3Settings
from madelung.teaching.journal import LabelJournal
from madelung.teaching.labelling import LABELS, label_configurations
from madelung.teaching.labels import TeacherLabels
from madelung.teaching.supervision import LabellingLimits
from madelung.teaching.teachers import Teacher, parse_teacher, parse_teachers

LIMITS = LabellingLimits(time_limit=1.0, start_limit=60.0, losses=2)


def teacher(name: str) -> Teacher:
    return Teacher(name, f"python:teacher_doubles:{name}")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Copper by ASE's effective medium theory; the third of six has as many atoms as are marked."""
    random = np.random.default_rng(0)
    frames = []
    for number in range(6):
        atoms = ase.build.bulk("Cu", cubic=True)
        if number == 2:
            atoms = ase.build.bulk("Cu") * (MARKED, 1, 1)
        atoms.positions += random.normal(scale=0.1, size=atoms.positions.shape)
        atoms.calc = EMT()
        atoms.get_forces()
        frames.append(atoms)
    path = tmp_path_factory.mktemp("data") / "copper.extxyz"
    ase.io.write(path, frames)
    return path


@pytest.fixture(scope="module")
def configurations(data: Path) -> list[Configuration]:
    return list(read_configurations(data))


@pytest.fixture(scope="module")
def fitted(configurations: list[Configuration], tmp_path_factory: pytest.TempPathFactory) -> Path:
    settings = UF3Settings(
        elements=("Cu",),
        two_body={"minimum": 1.8, "maximum": 5.0, "intervals": 8},
        three_body=None,
    )
    path = tmp_path_factory.mktemp("uf3") / "pairs.json"
    fit_uf3(configurations, settings).potential.save(path)
    return path


@pytest.mark.slow
def test_what_teachers_do_wrong_costs_only_their_own_label(
    configurations: list[Configuration], fitted: Path, tmp_path: Path
) -> None:
    write_eam_alloy(smooth_eam(0, False), tmp_path / "smooth.eam.alloy")
    names = ("hanging", "exiting", "segfaulting", "returning_nan", "raising", "exploding")
    sound = parse_teachers([str(fitted), str(tmp_path / "smooth.eam.alloy"), "emt=ase:emt"])
    teachers = [*map(teacher, names), *sound]
    labels = label_configurations(
        configurations, teachers, tmp_path / "labels", processes=2, limits=LIMITS
    )
    assert labels.teachers == (*names, "pairs", "smooth", "emt")
    assert not labels.known[2, : len(names)].any()
    assert labels.known[:, len(names) :].all()
    assert np.delete(labels.known, 2, axis=0).all()
    expected = {
        0: "hung: no answer within 1 s",
        1: "died: exit status 7",
        2: "died: SIGSEGV",
        3: "energy not finite",
        4: "RuntimeError: lost atoms",
        5: "too far off",
    }
    assert {key[0] for key in labels.reasons} == {2}
    for column, reason in expected.items():
        assert labels.reasons[2, column].startswith(reason)
    assert labels.forces is not None
    assert np.isnan(labels.forces[2][: len(names)]).all()
    for column, source in ((len(names), fitted), (len(names) + 1, tmp_path / "smooth.eam.alloy")):
        field = load_force_field(source)
        for row, item in enumerate(configurations):
            evaluation = field.evaluate(item.crystal)
            assert labels.energies[row, column] == pytest.approx(evaluation.energy, abs=1e-12)
            np.testing.assert_allclose(labels.forces[row][column], evaluation.forces, atol=1e-12)
    for row, item in enumerate(configurations):
        assert labels.energies[row, -1] == pytest.approx(item.energy, abs=1e-6)
        np.testing.assert_allclose(labels.forces[row][-1], item.forces, atol=1e-6)


@pytest.mark.slow
def test_a_teacher_that_always_dies_is_given_up(
    configurations: list[Configuration], tmp_path: Path
) -> None:
    names = ("always_dying", "dying_at_birth", "failing_at_birth", "no_calculator", "energy_only")
    labels = label_configurations(
        configurations, [teacher(name) for name in names], tmp_path, processes=2, limits=LIMITS
    )
    assert not labels.known[:, :4].any()
    assert labels.known[:, 4].all()
    assert labels.forces is not None
    assert np.isnan(labels.forces[0][4]).all()
    assert labels.reasons[0, 0] == labels.reasons[1, 0] == "died: SIGABRT"
    assert labels.reasons[2, 0] == "given up after 2 lost processes in a row: died: SIGABRT"
    assert labels.reasons[0, 1].endswith("in a row: died: exit status 3")
    assert labels.reasons[0, 2] == "given up: no calculator: ValueError: no licence"
    assert labels.reasons[5, 3].endswith("which is no ASE calculator")
    again = label_configurations(
        configurations, [teacher(name) for name in names], tmp_path, limits=LIMITS
    )
    assert again.reasons == labels.reasons


@pytest.mark.slow
def test_a_record_cut_off_anywhere_gives_the_same_file(
    configurations: list[Configuration], tmp_path: Path
) -> None:
    teachers = [teacher("raising")]
    label_configurations(configurations, teachers, tmp_path, limits=LIMITS)
    journal, whole = tmp_path / "labels.journal", (tmp_path / LABELS).read_bytes()
    record = journal.read_bytes()
    for end in (0, 40, len(record) // 2, len(record) - 1, len(record)):
        journal.write_bytes(record[:end])
        (tmp_path / LABELS).unlink()
        label_configurations(configurations, teachers, tmp_path, limits=LIMITS)
        assert (tmp_path / LABELS).read_bytes() == whole
        assert sorted(journal.read_bytes().split(b"\n")) == sorted(record.split(b"\n"))


@pytest.mark.slow
def test_only_what_is_missing_is_calculated(
    configurations: list[Configuration], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = label_configurations(configurations, [Teacher("emt", "ase:emt")], tmp_path)

    def refuse(*_: object) -> None:
        raise AssertionError("a process was started")

    monkeypatch.setattr("madelung.teaching.supervision.SupervisedTeacher.start", refuse)
    again = label_configurations(configurations, [Teacher("emt", "ase:emt")], tmp_path)
    np.testing.assert_array_equal(first.energies, again.energies)
    with pytest.raises(ForceFieldError, match="made with another potential"):
        label_configurations(configurations, [Teacher("emt", "ase:lj")], tmp_path)
    with pytest.raises(ForceFieldError, match="another set of configurations"):
        label_configurations(configurations[:3], [Teacher("emt", "ase:emt")], tmp_path)
    with pytest.raises(ForceFieldError, match="another wish for forces"):
        label_configurations(
            configurations, [Teacher("emt", "ase:emt")], tmp_path, with_forces=False
        )
    (tmp_path / "labels.journal").write_text("{}\n", encoding="utf-8")
    with pytest.raises(ForceFieldError, match="no record of labels"):
        label_configurations(configurations, [Teacher("emt", "ase:emt")], tmp_path)


@pytest.mark.slow
def test_two_jobs_do_not_share_a_folder(
    configurations: list[Configuration], tmp_path: Path
) -> None:
    teachers = [Teacher("emt", "ase:emt")]
    with (
        LabelJournal(tmp_path / "labels.journal", configurations, teachers, True),
        pytest.raises(ForceFieldError, match="another job is writing"),
    ):
        label_configurations(configurations, teachers, tmp_path)
    assert label_configurations(configurations, teachers, tmp_path).known.all()


SCRIPT = """
import sys
from madelung.forcefields.reference.configurations import read_configurations
from madelung.teaching.labelling import label_configurations
from madelung.teaching.supervision import LabellingLimits
from madelung.teaching.teachers import Teacher
label_configurations(
    list(read_configurations(sys.argv[1])),
    [Teacher("emt", "ase:emt"), Teacher("hanging", "python:teacher_doubles:hanging")],
    sys.argv[2],
    limits=LabellingLimits(time_limit=4.0),
)
"""


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_a_job_that_was_stopped_goes_on(data: Path, tmp_path: Path, number: int) -> None:
    journal = tmp_path / "out" / "labels.journal"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT, str(data), str(tmp_path / "out")],
        env=environment, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    begun = time.monotonic()
    # The second teacher hangs on the third configuration.
    while not journal.exists() or journal.read_bytes().count(b"\n") < 11:
        assert time.monotonic() - begun < 60.0
        assert process.poll() is None
        time.sleep(0.02)
    process.send_signal(number)
    _, text = process.communicate(timeout=30)
    assert process.returncode != 0
    assert number == signal.SIGKILL or "run the same command again" in text
    assert not (tmp_path / "out" / LABELS).exists()
    configurations = list(read_configurations(data))
    teachers = [Teacher("emt", "ase:emt"), teacher("hanging")]
    continued = label_configurations(configurations, teachers, tmp_path / "out", limits=LIMITS)
    afresh = label_configurations(configurations, teachers, tmp_path / "afresh", limits=LIMITS)
    np.testing.assert_array_equal(continued.energies, afresh.energies)
    assert (tmp_path / "out" / LABELS).read_bytes() == (tmp_path / "afresh" / LABELS).read_bytes()


@pytest.mark.slow
def test_labels_survive_a_file(configurations: list[Configuration], tmp_path: Path) -> None:
    labels = label_configurations(
        configurations, [teacher("raising"), Teacher("emt", "ase:emt")], tmp_path, limits=LIMITS
    )
    loaded = TeacherLabels.load(tmp_path / LABELS)
    assert (loaded.teachers, loaded.ids, loaded.elements) == (("raising", "emt"), labels.ids, (29,))
    assert loaded.reasons == labels.reasons
    np.testing.assert_array_equal(loaded.energies, labels.energies)
    assert loaded.forces is not None and labels.forces is not None
    for one, other in zip(loaded.forces, labels.forces, strict=True):
        np.testing.assert_array_equal(one, other)
    loaded.require_same(configurations)
    with pytest.raises(ForceFieldError, match="in the same order"):
        loaded.require_same(configurations[::-1])
    chosen = loaded.select([2, 0])
    assert chosen.reasons == {(0, 0): "RuntimeError: lost atoms"}
    assert chosen.forces is not None and chosen.forces[0].shape == (2, MARKED, 3)
    (tmp_path / LABELS).write_bytes(b"nothing")
    with pytest.raises(ForceFieldError, match="cannot be read"):
        TeacherLabels.load(tmp_path / LABELS)


@pytest.mark.slow
def test_interruption_within_the_process(
    configurations: list[Configuration], tmp_path: Path
) -> None:
    before = signal.signal(signal.SIGALRM, lambda *_: os.kill(os.getpid(), signal.SIGINT))
    signal.setitimer(signal.ITIMER_REAL, 2.0)
    try:
        with pytest.raises(JobInterrupted, match="run the same command"):
            label_configurations(
                configurations, [teacher("hanging")], tmp_path, limits=LabellingLimits(100.0)
            )
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        signal.signal(signal.SIGALRM, before)
    lines = (tmp_path / "labels.journal").read_text(encoding="utf-8").splitlines()
    assert all(json.loads(line) for line in lines)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("missing.json", "cannot be read"),
        ("ase:nothing", "ASE has no calculator 'nothing'"),
        ("ase:lj:{", "is no JSON"),
        ("kim:EAM_Dynamo_Cu", "cannot find 'kimpy'"),
        ("lammps:pair_style zero 5", "must be lammps:ELEMENTS:COMMANDS"),
        ("python:teacher_doubles", "must be python:MODULE:FUNCTION"),
        ("python:no_such_module:made", "cannot find 'no_such_module'"),
    ],
)
def test_teachers_that_lack_something_say_what(
    source: str, message: str, configurations: list[Configuration], tmp_path: Path
) -> None:
    with pytest.raises(ForceFieldError, match=message):
        label_configurations(configurations, [parse_teacher(source)], tmp_path)


def test_names_of_teachers() -> None:
    named = parse_teacher('mine=ase:lj:{"sigma": 2.3}')
    assert (named.name, named.kind, named.argument) == ("mine", "ase", 'lj:{"sigma": 2.3}')
    assert named.calculator().parameters["sigma"] == 2.3
    assert parse_teacher("folder/W.eam.alloy").name == "W"
    assert parse_teacher("ase:emt").name == "ase:emt"
    assert parse_teacher("kim:EAM__MO_000").argument == "EAM__MO_000"
    with pytest.raises(ForceFieldError, match="more than one teacher is called a"):
        parse_teachers(["a=ase:emt", "a=ase:lj"])
    with pytest.raises(ForceFieldError, match="there is no teacher"):
        parse_teachers([])


@pytest.mark.slow
@needs_lammps
def test_lammps_and_our_own_agree(configurations: list[Configuration], tmp_path: Path) -> None:
    path = tmp_path / "smooth.eam.alloy"
    write_eam_alloy(smooth_eam(0, False), path)
    commands = f"lammps=lammps:Cu:pair_style eam/alloy; pair_coeff * * {path} Cu"
    missing = "missing=lammps:Cu:pair_style eam/alloy; pair_coeff * * nowhere Cu"
    labels = label_configurations(
        configurations, parse_teachers([str(path), commands, missing]), tmp_path / "labels"
    )
    np.testing.assert_allclose(labels.energies[:, 0], labels.energies[:, 1], atol=1e-4)
    assert labels.forces is not None
    for own in labels.forces:
        np.testing.assert_allclose(own[0], own[1], atol=1e-3)
    assert not labels.known[:, 2].any()
    assert "cannot open eam/alloy potential file nowhere" in labels.reasons[0, 2]


def test_a_module_in_the_current_folder_is_not_imported(tmp_path: Path) -> None:
    """What runs is the command as a module, for which Python looks there first."""
    from madelung.teaching.supervision import _environment

    trap = tmp_path / "numpy.py"
    trap.write_text("raise SystemExit('imported from the current folder')")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path)
        patch.syspath_prepend("")
        patch.setattr(sys, "path", ["", str(tmp_path), *sys.path])
        environment = _environment()
        done = subprocess.run(
            [sys.executable, "-P", "-c", "import numpy"],
            env=environment,
            capture_output=True,
            text=True,
        )
    assert done.returncode == 0, done.stderr
