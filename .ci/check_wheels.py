"""Print the sizes of the wheels in a folder; end with an error if one is not as it should be."""

from __future__ import annotations

import sys
import zipfile
from pathlib import Path

# Code: 5 MB. Models: each file 60 MB; the package index takes wheels up to 100 MB.
LARGEST_CODE, LARGEST_FILE, LARGEST_WHEEL = 5_000_000, 60_000_000, 100_000_000


def faults(wheel: Path) -> list[str]:
    """Return what is wrong with a wheel."""
    found = []
    with zipfile.ZipFile(wheel) as archive:
        files = {info.filename: info.file_size for info in archive.infolist()}
    if wheel.name.startswith("madelung_models"):
        limit = LARGEST_WHEEL
        found += [f"{name} is too large" for name, size in files.items() if size > LARGEST_FILE]
        cards = [name for name in files if name.endswith("card.json")]
        weights = [name.replace("card.json", "weights.safetensors") for name in cards]
        if not cards or any(name not in files for name in weights):
            found.append("a model is not whole")
    else:
        limit = LARGEST_CODE
        wanted = ("madelung/py.typed", "madelung/__init__.pyi", "madelung/common/_core.pyi")
        found += [f"{name} is missing" for name in wanted if name not in files]
        # (A wheel for any system is one that was built without a compiler.)
        compiled = [name for name in files if name.endswith((".so", ".pyd"))]
        if not wheel.stem.endswith("-any") and len(compiled) != 3:
            found.append(f"three compiled modules are expected, not {compiled}")
    if wheel.stat().st_size >= limit:
        found.append(f"larger than {limit / 1e6:.0f} MB")
    return found


def main(folder: Path) -> None:
    """Check all wheels of a folder."""
    wheels = sorted(folder.glob("*.whl"))
    if len(wheels) != 2:
        sys.exit(
            f"{folder}: two wheels are expected, of code and of models; there are {len(wheels)}"
        )
    bad = False
    for wheel in wheels:
        print(f"{wheel.stat().st_size / 1e6:6.2f} MB  {wheel.name}")
        for fault in faults(wheel):
            bad = True
            print(f"           {fault}", file=sys.stderr)
    sys.exit(bad)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
