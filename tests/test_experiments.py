"""Recorded data: small, complete, and what the code gives today."""

import importlib.util
import json
import sys

import numpy as np
import pytest

from klrl_lite.diagnostics.lineup import LINEUP
from klrl_lite.diagnostics.recorded import recorded

#: Half precision: a unit in the last place is 2^-11 of the value.
ROUNDING = 2.0**-11
#: Share of sampled runs that may go their own way on another machine, after one last bit.
STRAY = 0.02


@pytest.fixture(scope="module")
def phase_plane(root):
    """Module of the experiment, from its file."""
    path = root / "experiments" / "phase_plane" / "run.py"
    spec = importlib.util.spec_from_file_location("phase_plane_run", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules["phase_plane_run"] = module
    spec.loader.exec_module(module)
    return module


def share_that_differs(again, kept):
    kept = np.asarray(kept)
    return np.mean(~np.isclose(again, kept, rtol=2 * ROUNDING, atol=1e-6, equal_nan=True))


def test_the_data_are_small_and_listed(root):
    folder = root / "experiments" / "phase_plane"
    made = json.loads((folder / "manifest.json").read_text())
    files = {f.stem: f.stat().st_size for f in folder.glob("*.npz")}
    assert files.keys() == made["parts"].keys() == {"planes", "chains", "board"}
    assert sum(files.values()) < 2e6
    for part, facts in made["parts"].items():
        assert facts["bytes"] == files[part]
        assert facts["seconds"] > 0
    assert made["command"] == "python experiments/phase_plane/run.py"


def test_the_axes_are_those_of_the_command(phase_plane):
    planes, chains, board = (recorded(name) for name in ("planes", "chains", "board"))
    np.testing.assert_array_equal(planes["tau"], phase_plane.TAU)
    np.testing.assert_array_equal(planes["p"], phase_plane.P_REF)
    np.testing.assert_array_equal(board["x"], phase_plane.X)
    for name, axis in phase_plane.CHAIN.items():
        np.testing.assert_array_equal(chains[name], axis)


def test_nothing_is_missing(phase_plane):
    planes, board = recorded("planes"), recorded("board")
    for signal, names in phase_plane.NAMES.items():
        for name in names:
            shape = (32, 64, 16) if signal == "drawn" else (64, 64)
            assert planes[f"{signal}.{name}.success"].shape == shape
            assert np.all(np.isfinite(planes[f"{signal}.{name}.success"]))
    for kind in phase_plane.ARENAS:
        here = {n for n, one in LINEUP.items() if one.family != "policy" or kind == "tabular"}
        assert {k.split(".")[1] for k in board if k.startswith(f"{kind}.")} == here


@pytest.mark.parametrize(("name", "row"), [("mirror", 45), ("mean_k3", 20)])
def test_a_row_with_mean_signals_is_the_same_again(phase_plane, name, row):
    again = phase_plane.plane_row(name, row, "expected")
    planes = recorded("planes")
    for key, value in again.items():
        assert share_that_differs(value[:, 0], planes[f"expected.{name}.{key}"][row]) == 0


@pytest.mark.slow
@pytest.mark.parametrize(("name", "row"), [("grpo", 45), ("ppo", 51), ("trpo", 41)])
def test_a_sampled_row_is_the_same_again(phase_plane, name, row):
    again = phase_plane.plane_row(name, row)["success"]
    kept = recorded("planes")[f"drawn.{name}.success"][row // 2]
    assert share_that_differs(again, kept) <= STRAY


@pytest.mark.slow
def test_a_row_of_the_scoreboard_is_the_same_again(phase_plane):
    again, board = phase_plane.board_part("loo", "linear"), recorded("board")
    for key, value in again.items():
        assert share_that_differs(value, board[f"linear.loo.{key}"]) <= STRAY, key


def test_another_seed_gives_other_runs(phase_plane, monkeypatch):
    # Were the comparison blind, the tests above would prove nothing.
    monkeypatch.setattr(phase_plane, "SEED", 1)
    again = phase_plane.plane_row("ppo", 45)["success"]
    kept = recorded("planes")["drawn.ppo.success"][45 // 2]
    assert share_that_differs(again, kept) > 10 * STRAY


def test_one_command_runs_every_experiment(root, monkeypatch, capsys):
    spec = importlib.util.spec_from_file_location("all_runs", root / "experiments" / "run.py")
    everything = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(everything)
    folders = {path.parent.name for path in (root / "experiments").glob("*/run.py")}
    assert folders == set(everything.NEEDS)
    asked = []

    def call(command, cwd):
        asked.append(command[1:])
        return 3 if "trl" in command[1] else 0

    monkeypatch.setattr(everything.subprocess, "call", call)
    monkeypatch.setattr(everything, "lacking", lambda name: "no net" * (name == "transformer"))
    assert everything.main(["--workers", "2"]) == 1
    first, last = (str(root / f"experiments/{name}/run.py") for name in ("phase_plane", "trl"))
    assert asked == [[first, "--workers", "2"], [last]]
    said = capsys.readouterr().out
    assert said == "phase_plane: recorded\ntransformer: no net\ntrl: failed with code 3\n"


def test_what_is_not_installed_is_named(root, monkeypatch):
    spec = importlib.util.spec_from_file_location("all_runs", root / "experiments" / "run.py")
    everything = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(everything)
    for packages, requirements in everything.NEEDS.values():
        assert bool(packages) == (root / "experiments" / requirements).is_file()
    assert everything.lacking("phase_plane") == ""
    monkeypatch.setitem(everything.NEEDS, "trl", (("json", "no_such_package"), "list.txt"))
    assert everything.lacking("trl") == (
        "no_such_package not installed: pip install -r experiments/list.txt"
    )
