"""The package against a recorded table of closed forms with fifty digits (`tests/oracles`)."""

import csv
import sys
from collections import defaultdict
from pathlib import Path

import mpmath as mp
import numpy as np
import pytest

from klrl_lite import diagnostics, equilibria, flow, gibbs, simplex, thresholds

FOLDER = Path(__file__).resolve().parents[1] / "oracles"
TABLE = FOLDER / "closed_forms.csv"


def two(p):
    """Log-probabilities of a wrong and a right answer."""
    return np.stack([np.log1p(-p), np.log(p)], axis=-1)


def right(log_pi):
    return np.exp(log_pi[..., 1])


def rewards(gap):
    return np.stack([np.zeros_like(gap), gap], axis=-1)


#: Name in the table -> the package's way to the same numbers, for arrays of arguments.
WAYS = {
    "success_probability": lambda p, gap, tau: thresholds.success_probability(p, gap, tau),
    "critical_tau": lambda p, gap: thresholds.critical_tau(p, gap),
    "crossover_width": lambda p, gap, level: [
        float(thresholds.crossover_width(*row[:2], level=row[2]))
        for row in zip(p, gap, level, strict=True)
    ],
    "heat_capacity_peak": lambda p, gap: thresholds.heat_capacity_peak(p, gap).height,
    "k3_fixed_point": lambda p, beta, gap: equilibria.k3_fixed_point(p, beta, gap),
    "k3_std_fixed_point": lambda p, beta: equilibria.k3_std_fixed_point(p, beta),
    "std_advantage_force": lambda p, group: [
        float(equilibria.std_advantage_force(q, int(g))) for q, g in zip(p, group, strict=True)
    ],
    "grpo_spinodal": lambda p: equilibria.grpo_spinodal(p),
    "binary_kl": lambda p, q: simplex.kl(two(p), two(q)),
    "excess": lambda d: simplex.excess(d),
    "binary_log_partition": lambda p, gap, tau: gibbs.log_partition(two(p), rewards(gap), tau),
    "binary_flow": lambda t, start, goal, tau: [
        float(right(flow.kl_flow(row[0], two(row[1]), two(row[2]), row[3])))
        for row in zip(t, start, goal, tau, strict=True)
    ],
    "pass_at_k": lambda n, c, k: thresholds.pass_at_k(*(x.astype(int) for x in (n, c, k))),
    "pass_at_k_of": lambda success, k: diagnostics.pass_at_k_of(success, k.astype(int)),
    "geodesic_distance": lambda p, q: diagnostics.geodesic_distance(two(p), two(q)),
}


def table():
    """Arguments (an array each) and exact values, by function."""
    found = defaultdict(lambda: (defaultdict(list), []))
    with TABLE.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            arguments, values = found[row["function"]]
            for word in row["arguments"].split():
                name, number = word.split("=")
                arguments[name].append(float(number))
            values.append(mp.mpf(row["value"]))
    return {name: ([np.array(a) for a in args.values()], v) for name, (args, v) in found.items()}


ROWS = table()


def test_the_table_is_what_the_recipe_makes(tmp_path):
    sys.path.insert(0, str(FOLDER))
    try:
        import recipe
    finally:
        sys.path.remove(str(FOLDER))
    recipe.write(tmp_path / "again.csv")
    assert (tmp_path / "again.csv").read_bytes() == TABLE.read_bytes()
    assert set(ROWS) == set(WAYS)


@pytest.mark.parametrize("name", WAYS)
def test_every_row(name, agree):
    arguments, values = ROWS[name]
    with np.errstate(all="raise", under="ignore"):
        got = np.asarray(WAYS[name](*arguments))
    agree(f"{name} (table)", got, values)
