"""Closed forms with fifty digits over a grid of extremes: writes `closed_forms.csv`.

`python tests/oracles/recipe.py` makes the table anew. A row is a function, its arguments as exact
floats, and the value. Every formula is written from its definition and without a trick, in
arithmetic wide enough not to need one; nothing of `klrl_lite` is imported. Other implementations
may test themselves against the table as well.
"""

import csv
import itertools
import math
from collections.abc import Callable, Iterator
from pathlib import Path

import mpmath as mp

TABLE = Path(__file__).with_name("closed_forms.csv")
DIGITS = 50  # of the results; the work is done with DIGITS + GUARD
GUARD = 700  # 1e-300 stands beside 1, and is raised to powers
SUPPORT = (1e-300, 1e-100, 1e-30, 1e-9, 1e-4, 0.03, 0.3, 0.5, 0.7, 0.999)
TAU = (1e-6, 1e-3, 0.05, 0.4, 1.0, 30.0, 1e6)
GAP = (1e-3, 1.0, 1e3)
GROUP = (2, 3, 4, 16, 64)


def price(p):
    return mp.log((1 - p) / p)


def success_probability(p, gap, tau):
    up = p * mp.exp(gap / tau)
    return up / (up + 1 - p)


def critical_tau(p, gap):
    return gap / price(p) if p < 0.5 else mp.inf


def crossover_width(p, gap, level):
    """Difference of the two temperatures at which success is `level` and 1 - `level`."""
    if p >= level:
        return mp.inf
    return gap / (price(p) - price(level)) - gap / (price(p) + price(level))


def heat_capacity_peak(p, gap):
    """Height of the peak of x^2 P (1 - P), x = gap/tau, by setting the derivative to 0."""
    x = mp.findroot(
        lambda x: mp.tanh((x - price(p)) / 2) * x - 2, (2 + max(price(p), 0), 4 + abs(price(p))),
        solver="anderson", tol=mp.mpf(10) ** -400, maxsteps=500,
    )  # fmt: skip
    return x**2 / 4 - 1


def k3_fixed_point(p, beta, gap):
    """The root in (0, 1) of (P - p) beta = gap P (1 - P)."""
    b = beta - gap
    return (-b + mp.sqrt(b**2 + 4 * gap * beta * p)) / (2 * gap)


def k3_std_fixed_point(p, beta):
    """The root above p of P (1 - P) = beta^2 (P - p)^2."""
    a, b, c = 1 + beta**2, -(1 + 2 * beta**2 * p), beta**2 * p**2
    return (-b + mp.sqrt(b**2 - 4 * a * c)) / (2 * a)


def std_advantage_force(p, group):
    """E[std of the group] / (P (1 - P)), summed over the number of right answers."""
    group = int(group)
    std = (
        mp.binomial(group, k) * p**k * (1 - p) ** (group - k) * mp.sqrt(k * (group - k)) / group
        for k in range(1, group)
    )
    return mp.fsum(std) / (p * (1 - p))


def grpo_spinodal(p):
    """sinh(l/2) where L = 2 coth(l/2) - l, with l > 0 bracketed."""
    low, high = mp.mpf(10) ** -320, 3 + abs(price(p))
    f = lambda x: (x + price(p)) * mp.tanh(x / 2) - 2  # noqa: E731
    low = max(low, -price(p))
    x = mp.findroot(f, (low, high), solver="anderson", tol=mp.mpf(10) ** -400, maxsteps=500)
    return mp.sinh(x / 2)


def binary_kl(p, q):
    return p * mp.log(p / q) + (1 - p) * mp.log((1 - p) / (1 - q))


def excess(d):
    return d + mp.exp(-d) - 1


def binary_log_partition(p, gap, tau):
    return mp.log(1 - p + p * mp.exp(gap / tau))


def binary_flow(t, start, goal, tau):
    """Success after time t of log-odds that decay to their goal at the rate tau."""
    weight = mp.exp(-tau * t)
    odds = weight * price(start) + (1 - weight) * price(goal)
    return 1 / (1 + mp.exp(odds))


def pass_at_k(n, c, k):
    n, c, k = int(n), int(c), int(k)
    return 1 - mp.mpf(math.comb(n - c, k)) / math.comb(n, k)


def pass_at_k_of(success, k):
    return 1 - (1 - success) ** int(k)


def geodesic_distance(p, q):
    return 2 * mp.acos(mp.sqrt(p * q) + mp.sqrt((1 - p) * (1 - q)))


Grid = dict[str, tuple[float, ...]]
#: Function, and the values of its arguments; all combinations are taken.
FORMS: dict[Callable, Grid] = {
    success_probability: {"p_ref": SUPPORT, "gap": GAP, "tau": TAU},
    critical_tau: {"p_ref": SUPPORT[:7], "gap": GAP},
    crossover_width: {"p_ref": SUPPORT, "gap": GAP, "level": (1e-6, 0.1, 0.49)},
    heat_capacity_peak: {"p_ref": SUPPORT, "gap": (1.0,)},
    k3_fixed_point: {"p_ref": SUPPORT, "beta": (1e-3, 0.3, 1.0, 3.0, 1e3), "gap": GAP},
    k3_std_fixed_point: {"p_ref": SUPPORT, "beta": (1e-3, 0.3, 1.0, 3.0, 1e3)},
    std_advantage_force: {"success": SUPPORT, "group_size": GROUP},
    grpo_spinodal: {"p_ref": SUPPORT},
    binary_kl: {"p": SUPPORT, "q": SUPPORT},
    excess: {"d": (-700.0, -30.0, -1.0, -1e-3, -1e-10, 1e-10, 1e-3, 0.09, 0.11, 1.0, 30.0, 1e6)},
    binary_log_partition: {"p_ref": SUPPORT, "gap": GAP, "tau": (1e-3, 0.05, 1.0, 30.0, 1e6)},
    binary_flow: {
        "t": (1e-6, 1.0, 30.0), "start": (1e-300, 1e-4, 0.3), "goal": (1e-9, 0.5, 0.999),
        "tau": (1e-3, 0.4, 30.0),
    },
    pass_at_k: {"n": (1.0, 10.0, 200.0, 1e4), "c": (0.0, 1.0, 9.0, 200.0), "k": (1.0, 8.0, 200.0)},
    pass_at_k_of: {"success": SUPPORT, "k": (1.0, 8.0, 1e4, 1e9)},
    geodesic_distance: {"p": SUPPORT, "q": SUPPORT},
}  # fmt: skip


def makes_sense(form: Callable, arguments: dict[str, float]) -> bool:
    """Leave out combinations for which the function is not defined."""
    if form is pass_at_k:
        return max(arguments["c"], arguments["k"]) <= arguments["n"]
    return True


def rows() -> Iterator[tuple[str, str, str]]:
    """Yield function, arguments and value."""
    for form, grid in FORMS.items():
        for values in itertools.product(*grid.values()):
            arguments = dict(zip(grid, values, strict=True))
            if makes_sense(form, arguments):
                yield form.__name__, said(arguments), value(form, arguments)


def said(arguments: dict[str, float]) -> str:
    return " ".join(f"{name}={number!r}" for name, number in arguments.items())


def value(form: Callable, arguments: dict[str, float]) -> str:
    with mp.workdps(DIGITS + GUARD):
        found = form(*(mp.mpf(number) for number in arguments.values()))
        return mp.nstr(found, DIGITS, min_fixed=0, max_fixed=0)


def write(table: Path = TABLE) -> None:
    with table.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["function", "arguments", "value"])
        writer.writerows(rows())


if __name__ == "__main__":
    write()
