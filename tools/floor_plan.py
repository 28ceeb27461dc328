"""Count the house: rooms, floors, circles of imports, and imports that go up.

    python tools/floor_plan.py                    # this checkout
    python tools/floor_plan.py --revision d7cca46 # another commit
    python tools/floor_plan.py --map              # each floor with its rooms, as in CONTRIBUTING.md

A room is an entry of the package's root: a folder, or a module beside them. The floors that are
written down are those of the contract in pyproject.toml, which ``make lint`` checks; imports inside
of functions count as others do, and those for type checkers alone as well.
"""

from __future__ import annotations

import argparse
import ast
import io
import subprocess
import tarfile
import tempfile
import tomllib
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = "madelung"


@dataclass(frozen=True)
class House:
    """The modules of the package, and what each of them imports of the others."""

    imports: dict[str, set[str]]

    @classmethod
    def of(cls, source: Path) -> House:
        """Read the modules below ``source``/madelung."""
        files = {}
        for path in sorted((source / PACKAGE).rglob("*.py")):
            parts = path.relative_to(source).with_suffix("").parts
            files[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
        return cls({name: _imports(name, path, set(files)) for name, path in files.items()})

    @property
    def rooms(self) -> dict[str, set[str]]:
        """The rooms that each room imports from; the public face is none."""
        found: dict[str, set[str]] = {}
        for name, others in self.imports.items():
            if room := _room(name):
                own = found.setdefault(room, set())
                own.update(other for other in map(_room, others) if other and other != room)
        return found

    @property
    def loose_modules(self) -> list[str]:
        """Modules in the package's root beside the public face."""
        packages = {name.split(".")[1] for name in self.imports if name.count(".") > 1}
        own = {name.split(".")[1] for name in self.imports if name.count(".") == 1}
        return sorted(own - packages - {"__main__"})


def _room(module: str) -> str:
    parts = module.split(".")
    return parts[1] if len(parts) > 1 and parts[1] != "__main__" else ""


def _imports(name: str, path: Path, known: set[str]) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            for alias in node.names:
                full = f"{node.module}.{alias.name}"
                found.add(full if full in known else node.module)
        elif isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
    return (found & known) - {name, PACKAGE}


def circles(imports: dict[str, set[str]]) -> list[list[str]]:
    """Return the largest sets of names of which each leads to all others (Tarjan's algorithm)."""
    order: dict[str, int] = {}
    lowest: dict[str, int] = {}
    stack: list[str] = []
    found: list[list[str]] = []

    def visit(name: str) -> None:
        order[name] = lowest[name] = len(order)
        stack.append(name)
        for other in sorted(imports[name]):
            if other not in order:
                visit(other)
                lowest[name] = min(lowest[name], lowest[other])
            elif other in stack:
                lowest[name] = min(lowest[name], order[other])
        if lowest[name] == order[name]:
            place = stack.index(name)
            if len(ring := stack[place:]) > 1:
                found.append(sorted(ring))
            del stack[place:]

    for name in imports:
        if name not in order:
            visit(name)
    return found


def heights(rooms: dict[str, set[str]]) -> dict[str, int]:
    """Return how many rooms, one below the other, each room stands on; a circle counts each."""
    rings = circles(rooms)
    ring_of = {room: index for index, ring in enumerate(rings) for room in ring}

    def below(room: str) -> int:
        members = rings[ring_of[room]] if room in ring_of else [room]
        others = {other for member in members for other in rooms[member]} - set(members)
        return len(members) + max((below(other) for other in others), default=0)

    return {room: below(room) for room in rooms}


def floors() -> list[set[str]]:
    """Return the rooms of each floor that is written down, the lowest first."""
    with (ROOT / "pyproject.toml").open("rb") as stream:
        contracts = tomllib.load(stream)["tool"]["importlinter"]["contracts"]
    (layers,) = (contract["layers"] for contract in contracts if contract["type"] == "layers")
    return [
        {room.strip().removeprefix(f"{PACKAGE}.") for room in layer.split("|")}
        for layer in reversed(layers)
    ]


def arrows_up(house: House) -> list[str]:
    """Return the imports of modules that do not go down, where floors of both rooms are known."""
    floor_of = {room: number for number, floor in enumerate(floors()) for room in floor}
    return [
        f"{name} -> {other}"
        for name, others in house.imports.items()
        for other in sorted(others)
        if _room(name) != _room(other)
        and floor_of.get(_room(name), 99) <= floor_of.get(_room(other), -1)
    ]


def house_map() -> str:
    """Return the floors from the top, with what each room says of itself."""
    lines = []
    for floor in reversed(floors()):
        for room in sorted(floor):
            folder = ROOT / "src" / PACKAGE / room
            text = ast.get_docstring(ast.parse((folder / "__init__.py").read_text("utf-8"))) or ""
            lines.append(f"  {room + '/':15} {text.splitlines()[0]}")
        lines.append("")
    return "\n".join(lines[:-1])


def _report(house: House) -> None:
    rooms = house.rooms
    floors_found = max(heights(rooms).values())
    print(f"{len(house.imports)} modules in {len(rooms)} rooms on {floors_found} floors")
    print(f"{len(house.loose_modules)} modules in the package's root beside the public face")
    rings = circles(house.imports)
    print(f"{len(rings)} circles of modules, {len(circles(rooms))} of rooms")
    for ring in rings:
        print("  " + " <-> ".join(name.removeprefix(f"{PACKAGE}.") for name in ring))
    up = arrows_up(house)
    print(f"{len(up)} imports that do not go down the plan")
    for arrow in up:
        print(f"  {arrow}")


def main() -> None:
    """Print what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--revision", help="commit to count instead of this checkout")
    parser.add_argument("--map", action="store_true", help="print the floors with their rooms")
    asked = parser.parse_args()
    if asked.map:
        print(house_map())
    elif asked.revision:
        command = ["git", "archive", asked.revision, "src"]
        archive = subprocess.run(command, cwd=ROOT, check=True, capture_output=True).stdout
        with (
            tempfile.TemporaryDirectory() as folder,
            tarfile.open(fileobj=io.BytesIO(archive)) as content,
        ):
            content.extractall(folder, filter="data")
            _report(House.of(Path(folder) / "src"))
    else:
        _report(House.of(ROOT / "src"))


if __name__ == "__main__":
    main()
