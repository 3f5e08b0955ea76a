"""The benchmarks run, in small, and return numbers; whether they are good is for people to say."""

import numpy as np
import pytest
from _tools import tasks

from benchmarks.__main__ import main
from benchmarks.cases import CASES
from benchmarks.timing import Row, rounds, row, seconds, table


@pytest.mark.parametrize("name", CASES)
def test_each_benchmark_runs(name):
    rows = CASES[name](quick=True)
    assert rows
    for r in rows:
        numbers = np.array([r.ratio, r.low, r.high])
        assert np.all(np.isfinite(numbers)), r
        assert r.low <= r.ratio <= r.high
        # An exponent may be anything at sizes where nothing grows yet.
        assert r.ratio > 0 or "exponent" in r.what, r


def test_the_command_prints_one_table(capsys):
    assert main(["--quick", "tilt", "flow"]) == 0
    said = capsys.readouterr().out
    assert said.count("median") == 1
    assert "tilt / exp" in said
    assert "kl_flow" in said
    with pytest.raises(SystemExit):
        main(["--quick", "speed"])


def test_a_ratio_is_taken_within_a_round():
    # A machine that slows down threefold half way leaves the ratio alone.
    slow = np.array([1.0, 1.0, 3.0, 3.0])
    assert row("x", 2 * slow, slow)[1:4] == (2.0, 2.0, 2.0)


def test_candidates_take_turns():
    order = []
    candidates = {name: lambda name=name: order.append(name) for name in "ab"}
    taken = rounds(candidates, 3)
    assert {name: t.shape for name, t in taken.items()} == {"a": (3,), "b": (3,)}
    runs = "".join(order)
    assert runs[-1] == "b"
    assert "ba" in runs[4:]


def test_times_and_the_table():
    assert [seconds(t) for t in (2.0, 0.0123, 4.56e-6)] == ["2 s", "12.3 ms", "4.56 µs"]
    assert table([Row("a / b", 2.0, 1.5, 2.5, "note")]).splitlines()[-1].split() == [
        *("a", "/", "b", "2", "1.5-2.5", "note")
    ]


def test_the_task_passes_its_arguments_on(monkeypatch, root):
    calls = []

    class Env:
        python = "python"
        variables = staticmethod(dict)

    Env.root = root
    monkeypatch.setattr(tasks.subprocess, "call", lambda command, **_: calls.append(command) or 0)
    assert tasks.bench(Env, ["--quick", "tilt"]) == 0
    assert calls == [["python", "-m", "benchmarks", "--quick", "tilt"]]
