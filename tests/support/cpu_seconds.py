"""How long the tests of each room keep a core busy, in a line below their results."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterator

import pytest

_NAME = "cpu_seconds"


def _now() -> float:
    """CPU-seconds of this process, and of those that it started and waited for."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


class CpuSeconds:
    """Plugin of pytest: seconds of the clock say little where others share the machine."""

    def __init__(self) -> None:
        self._before = _now()
        self._rooms: dict[str, float] = defaultdict(float)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self) -> Iterator[None]:
        """Tell the process that collects the reports what a phase of a test took."""
        report = yield
        now = _now()
        report.user_properties.append((_NAME, now - self._before))  # type: ignore[attr-defined]
        self._before = now
        return report

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Add up what the reports say."""
        parts = report.nodeid.partition("::")[0].split("/")
        room = parts[1] if len(parts) > 2 else "the house"
        self._rooms[room] += sum(value for name, value in report.user_properties if name == _NAME)

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Show the rooms that took longest first."""
        rooms = sorted(self._rooms.items(), key=lambda room: -room[1])
        shown = ", ".join(f"{name} {seconds:.1f}" for name, seconds in rooms)
        if rooms:
            total = sum(self._rooms.values())
            terminalreporter.write_line(f"CPU-seconds of tests: {total:.1f} ({shown})")
