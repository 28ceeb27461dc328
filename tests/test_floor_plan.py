"""The tool that counts the house counts rightly, and the map in CONTRIBUTING.md is its own."""

from __future__ import annotations

from pathlib import Path

import floor_plan
from floor_plan import House
from places import ROOT


def house(folder: Path, modules: dict[str, str]) -> House:
    """A package made of these modules."""
    for name, text in modules.items():
        path = folder / floor_plan.PACKAGE / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return House.of(folder)


def test_contributing_has_the_map_of_the_house() -> None:
    page = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    assert f"```\n{floor_plan.house_map()}\n```" in page


def test_this_house_has_no_circle_and_no_import_that_goes_up() -> None:
    own = House.of(ROOT / "src")
    assert not floor_plan.circles(own.imports)
    assert not floor_plan.arrows_up(own)
    assert not own.loose_modules
    assert set(own.rooms) == set().union(*floor_plan.floors())


def test_a_circle_is_found_and_counts_each_of_its_rooms(tmp_path: Path) -> None:
    made = house(
        tmp_path,
        {
            "__init__.py": "",
            "common/__init__.py": "",
            "common/text.py": "",
            "sums/__init__.py": "",
            "sums/plan.py": "from madelung.common import text\nimport madelung.data.store\n",
            "data/__init__.py": "",
            "data/store.py": "def late():\n    from madelung.sums import plan\n",
            "cli/__init__.py": "",
            "cli/run.py": "from madelung.sums import plan\n",
            "loose.py": "",
        },
    )
    assert floor_plan.circles(made.imports) == [["madelung.data.store", "madelung.sums.plan"]]
    assert floor_plan.circles(made.rooms) == [["data", "sums"]]
    assert made.rooms["sums"] == {"common", "data"} and made.rooms["cli"] == {"sums"}
    assert floor_plan.heights(made.rooms) == {
        "common": 1,
        "sums": 3,
        "data": 3,
        "cli": 4,
        "loose": 1,
    }
    assert made.loose_modules == ["loose"]


def test_an_import_that_goes_up_is_found_wherever_it_stands(tmp_path: Path) -> None:
    made = house(
        tmp_path,
        {
            "__init__.py": "",
            "common/__init__.py": "",
            "common/text.py": (
                "from typing import TYPE_CHECKING\n"
                "if TYPE_CHECKING:\n    from madelung.crystals.crystal import Crystal\n"
            ),
            "crystals/__init__.py": "",
            "crystals/crystal.py": "from madelung.common import text\n",
            "sums/__init__.py": "def late():\n    import madelung.data.store\n",
            "data/__init__.py": "",
            "data/store.py": "",
        },
    )
    assert floor_plan.arrows_up(made) == [
        "madelung.common.text -> madelung.crystals.crystal",
        # One floor, two rooms that know nothing of each other.
        "madelung.sums -> madelung.data.store",
    ]
