"""The checks can fail: break one formula of the package, and the claims that rest on it say so.

Each row changes one place of a copy of the package, as a slip of the pen would, runs a chapter on
the copy, and asks for the claims that must fail by name. Others may fail as well.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
MIRROR, THRESHOLDS = "01_mirror_descent", "07_gibbs_thresholds"
TWO_KLS, FLOW = "02_two_kls", "06_replicator_flow"
TRPO, PPO, GRPO = "03_trpo", "04_ppo", "05_grpo"

SLIPS = [
    # chapter, file, the place, the slip, claims that must fail
    (THRESHOLDS, "thresholds.py", "log_bad - log_good)", "-log_good)", {"S10.5", "R14"}),
    (THRESHOLDS, "thresholds.py", "expit(gap / tau - log_odds)", "expit(gap / tau + log_odds)",
     {"S10.3", "S10.13", "R29"}),
    (THRESHOLDS, "thresholds.py", "2.0 * edge * gap / product", "edge * gap / product",
     {"S10.9"}),
    (THRESHOLDS, "thresholds.py", "n_zeros)) + 1)", "n_zeros)))", {"R14"}),
    (THRESHOLDS, "thresholds.py", "np.tanh(0.5 * y) - 2.0", "np.tanh(y) - 2.0", {"R13"}),
    (THRESHOLDS, "gibbs.py", "log_normalize(log_ref + _below",
     "log_normalize(0 * log_ref + _below", {"S10.1", "S10.3", "S10.5"}),
    (THRESHOLDS, "gibbs.py", "tau * _kl(log_pi, log_ref) - expect",
     "tau * _kl(log_ref, log_pi) - expect", {"S10.1"}),
    (THRESHOLDS, "gibbs.py", "/ np.asarray(tau, float)[..., None]",
     "/ np.sqrt(tau)[..., None]", {"S0.15", "R13"}),
    (THRESHOLDS, "problems.py", "n_steps * np.log(q_step), n_steps * step_gap",
     "n_steps * np.log(q_step), step_gap", {"S0.10", "S10.15", "R15"}),
    (MIRROR, "simplex.py", "_log_normalize(log_p + _below", "_log_normalize(log_p - _below",
     {"S3.2", "S3.6", "S2.5", "R02"}),
    (MIRROR, "simplex.py", ", mirror_map.grad(y)", ", mirror_map.grad(x)",
     {"S2.1", "S2.5", "S3.1"}),
    (MIRROR, "simplex.py", "d = log_p - log_q", "d = log_q - log_p", {"S3.1", "S2.5"}),
    (MIRROR, "gibbs.py", "reward - tau[..., None] * ratio", "reward + tau[..., None] * ratio",
     {"S0.16", "R02"}),
    (TWO_KLS, "algorithms/mirror.py", "1.0 / (1.0 + eta * tau)", "1.0 / (1.0 + eta)", {"R03"}),
    (TWO_KLS, "simplex.py", "_log_normalize(log_p + _below", "_log_normalize(log_p - _below",
     {"S4.1", "S5.3", "S5.12"}),
    (TWO_KLS, "gibbs.py", "log_normalize(log_ref + _below",
     "log_normalize(0 * log_ref + _below", {"S5.1", "S0.17"}),
    (FLOW, "flow.py", "-np.expm1(-rate)", "-np.expm1(-2 * rate)", {"R01", "S9.3"}),
    (FLOW, "gibbs.py", "reward - tau[..., None] * ratio", "reward + tau[..., None] * ratio",
     {"S9.2", "R02"}),
    (TRPO, "algorithms/mirror.py", "log_s)[..., None] * scaled", "log_s)[..., None] * scaled**2",
     {"S6.2", "S6.8", "S6.9"}),
    (TRPO, "algorithms/trpo.py", "np.sqrt(2.0 *", "np.sqrt(1.0 *", {"S6.12"}),
    (TRPO, "simplex.py", "d = log_p - log_q", "d = log_q - log_p", {"S6.10", "S6.14", "S6.15"}),
    (PPO, "algorithms/ppo.py", "return rho * felt", "return felt", {"S7.3", "S7.6"}),
    (PPO, "algorithms/ppo.py", "down = np.minimum(rho, high)", "down = np.maximum(rho, high)",
     {"S7.2"}),
    (GRPO, "signals/raw.py", "square / (size - ddof)", "square / (size - 1)", {"S8.1", "S8.10"}),
    (GRPO, "equilibria/std.py", "1.0 / np.sqrt(success * (1.0 - success))",
     "1.0 / (success * (1.0 - success))", {"S8.21"}),
]  # fmt: skip


def failing(root, package_parent, chapter):
    """Ids of the claims that fail when a chapter runs on the package in `package_parent`."""
    done = subprocess.run(
        [sys.executable, HERE / "chapters.py", root / "book" / f"{chapter}.ipynb"],
        cwd=root,  # the claims file is found from here
        env=os.environ | {"PYTHONPATH": str(package_parent), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    records = json.loads(done.stdout)
    return {name for r in records if r["failure"] for name in r["ids"]}, records


@pytest.fixture
def copy(root, tmp_path):
    shutil.copytree(
        root / "klrl_lite", tmp_path / "klrl_lite", ignore=shutil.ignore_patterns("__pycache__")
    )
    return tmp_path


@pytest.mark.parametrize("chapter", [MIRROR, TWO_KLS, TRPO, PPO, GRPO, FLOW, THRESHOLDS])
def test_the_copy_as_it_is_passes(root, copy, chapter):
    ids, records = failing(root, copy, chapter)
    assert records
    assert not ids


@pytest.mark.parametrize(
    ("chapter", "file", "place", "slip", "expected"),
    SLIPS,
    ids=[f"{s[1]}:{s[3].strip()[:40]}" for s in SLIPS],
)
def test_a_slip_of_the_pen_is_caught_by_name(root, copy, chapter, file, place, slip, expected):
    path = copy / "klrl_lite" / file
    source = path.read_text(encoding="utf-8")
    assert source.count(place) == 1, "the place must be found once"
    path.write_text(source.replace(place, slip), encoding="utf-8")
    ids, _ = failing(root, copy, chapter)
    assert expected <= ids
