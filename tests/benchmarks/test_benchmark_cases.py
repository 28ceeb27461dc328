"""The count of cases: its judges know right from wrong."""

import importlib.util
import shutil
from pathlib import Path

import pytest
from places import ROOT

from benchmarks.data.cases import FORCE_FIELDS, all_cases
from benchmarks.data.force_field_cases import JUDGES, fit_case

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("madelung.common._uf3") is None, reason="the native core is not built"
)
QUICK = (
    "uf3_0.4.0_binary.json",
    "examples_tungsten_extxyz_model_2and3.json",
    "uf3_three_body_longer_than_two_body.uf3",
    "Cu.eam.alloy.gz",
    "salt.json",
)


@pytest.mark.parametrize("name", QUICK)
def test_what_is_right_is_counted(name: str) -> None:
    assert JUDGES[name](FORCE_FIELDS) is None


def test_what_is_wrong_is_told(tmp_path: Path) -> None:
    shutil.copy(FORCE_FIELDS / "uf3_0.4.0_binary_reference.json", tmp_path)
    shutil.copy(FORCE_FIELDS / "alloy_two_frames.extxyz", tmp_path)
    text = (FORCE_FIELDS / "uf3_0.4.0_binary.json").read_text("utf-8")
    (tmp_path / "uf3_0.4.0_binary.json").write_text(text.replace("0.1", "0.2", 1), "utf-8")
    assert JUDGES["uf3_0.4.0_binary.json"](tmp_path) is not None
    one = FORCE_FIELDS / "one.extxyz"
    assert "not refused" in str(fit_case("uf3", one, {"refused": "never"}))


def test_every_case_has_a_file_and_a_name_of_its_own() -> None:
    cases = list(all_cases(ROOT / "tests" / "crystals" / "cases", FORCE_FIELDS))
    assert {case.kind for case in cases} == {"crystals", "hostile", "forcefields"}
    names = [(case.kind, case.name) for case in cases]
    assert len(set(names)) == len(names)
    folder = {path.name for path in FORCE_FIELDS.iterdir()}
    told = " ".join(case.name for case in cases)
    for name in folder - {"expected.json", "alloy_two_frames.extxyz"}:
        plain = name.removesuffix(".xz").replace("_test.", "_train.").replace("_reference", "")
        assert plain in told, name
