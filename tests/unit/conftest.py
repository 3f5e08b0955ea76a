"""Helpers of the unit tests: the shared modules beside this file, and the table of errors."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
pytest.register_assert_rewrite("oracles", "samples", "wrong", "calls")

import oracles  # noqa: E402
from hypothesis import settings  # noqa: E402

# No clock and no randomness: a failure on one machine is a failure on every machine.
settings.register_profile("unit", max_examples=50, deadline=None, derandomize=True, database=None)
settings.load_profile("unit")

PREFIX = "against mpmath: "


@pytest.fixture
def agree(record_property):
    """Compare with an oracle, and keep the worst relative error for the table at the end."""

    def check(name, actual, exact, *, rtol=1e-12, bound=0.0):
        worst = oracles.compare(actual, exact, rtol=rtol, bound=bound)
        record_property(PREFIX + name, worst)

    return check


def pytest_terminal_summary(terminalreporter):
    """With -v, list the worst relative error of each function against its oracle."""
    worst = {}
    for report in terminalreporter.stats.get("passed", []):
        for name, value in getattr(report, "user_properties", []):
            if name.startswith(PREFIX):
                worst[name] = max(worst.get(name, 0.0), value)
    if worst and terminalreporter.verbosity > 0:
        terminalreporter.section("worst relative errors against mpmath")
        for name in sorted(worst):
            terminalreporter.write_line(f"{name.removeprefix(PREFIX):<40} {worst[name]:.1e}")
