"""How many examples a test of a property tries: twenty times as many in the thorough profile."""

from __future__ import annotations

import os

from hypothesis import settings

_FACTOR = 20 if os.environ.get("HYPOTHESIS_PROFILE") == "thorough" else 1


def examples(count: int) -> settings:
    """Return the settings of a test that tries so many examples each time the tests run."""
    return settings(max_examples=_FACTOR * count)
