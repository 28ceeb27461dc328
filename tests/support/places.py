"""Where tests find what is not theirs: the checkout, shared data, frozen files."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
"""The checkout."""
SHARED = ROOT.parent / "shared"
"""Data beside the checkout; tests that need them skip where they are not."""
CORE = ROOT / "core"
TESTS = ROOT / "tests"
SUPPORT = TESTS / "support"
FROZEN_MODELS = TESTS / "frozen_models"
"""Models of every format of card, as they were written then."""
