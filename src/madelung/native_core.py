"""The native core, where it is installed."""

from __future__ import annotations

import importlib
import importlib.util
from functools import cache
from typing import Any

__all__ = ["native_core"]


@cache
def native_core() -> Any:
    """Return the module ``madelung._core``; None where it is not installed."""
    if importlib.util.find_spec("madelung._core") is None:
        return None
    return importlib.import_module("madelung._core")
