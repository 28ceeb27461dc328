"""Names of shipped models, with and without the package that holds them."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import madelung as md
from madelung.models.card import CARD_FILE
from madelung.models.model import WEIGHTS_FILE
from madelung.models.shipped import SHIPPED_MODELS, model_folder

# Hosts of repositories warn about files above 50 MB, and refuse those above 100 MB.
LARGEST_FILE = 60_000_000
# Runs the command where nothing finds the package, wherever this environment has it.
WITHOUT_MODELS = """
import sys
from importlib.machinery import PathFinder

class Without(PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        return None if name == "madelung_models" else super().find_spec(name, path, target)

sys.meta_path[:] = [Without if finder is PathFinder else finder for finder in sys.meta_path]
from madelung.cli import main
main()
"""


def installed_models() -> Path:
    spec = importlib.util.find_spec("madelung_models")
    assert spec is not None and spec.submodule_search_locations
    return Path(spec.submodule_search_locations[0])


def test_every_folder_has_a_name_and_both_files() -> None:
    folders = {place for place in installed_models().iterdir() if (place / CARD_FILE).is_file()}
    assert folders == {model_folder(model.name)[0] for model in SHIPPED_MODELS}
    for folder in folders:
        assert 1_000_000 < (folder / WEIGHTS_FILE).stat().st_size < LARGEST_FILE
        card = json.loads((folder / CARD_FILE).read_text(encoding="utf-8"))
        assert card["stored_as"] == "float16"


def test_the_code_package_holds_no_weights() -> None:
    package = Path(md.__file__).parent
    assert not list(package.rglob("*.safetensors"))


def test_a_package_without_the_folder_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "madelung_models").mkdir()
    (tmp_path / "madelung_models" / "__init__.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "madelung_models", raising=False)
    with pytest.raises(md.ModelError, match="pip install --upgrade madelung-models"):
        md.load("formation-energy")


@pytest.mark.slow
def test_without_the_package_one_line_says_how_to_get_it(tmp_path: Path) -> None:
    """An isolated interpreter that sees Madelung and what it needs, but no models."""
    environment = os.environ | {"PYTHONPATH": str(Path(md.__file__).parents[1])}

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", WITHOUT_MODELS, *arguments]
        return subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300
        )

    for arguments in (["predict", "example:NaCl"], ["models"]):
        refused = run(*arguments)
        assert refused.returncode == 1 and not refused.stdout
        assert "pip install madelung-models" in refused.stderr
        assert len(refused.stderr.splitlines()) == 1
    summed = run("sums", "example:NaCl")
    assert summed.returncode == 0 and "Madelung" in summed.stdout


def test_a_model_that_is_the_first_of_a_process_predicts() -> None:
    """Its shapes are found without memory; nothing of that may be kept for the network itself."""
    from madelung.models.element_features import element_features

    element_features.cache_clear()
    model = md.load("formation-energy")
    assert element_features().device.type == "cpu"
    assert all(weight.device.type == "cpu" for weight in model.network.state_dict().values())
