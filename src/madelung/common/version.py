"""The version of the package, which CMake and metadata have too."""

from __future__ import annotations

__all__ = ["__version__"]

__version__ = "0.1.0"
