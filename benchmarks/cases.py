"""The comparisons; each returns rows of the table. `quick` makes them small, for the tests."""

import time
import tracemalloc
from functools import partial

import numpy as np
from scipy.integrate import solve_ivp

from klrl_lite import flow
from klrl_lite.algorithms import run
from klrl_lite.simplex import log_normalize, tilt
from klrl_lite.sweeps import sweep

from . import plane
from .timing import Row, rounds, row, seconds


def sweep_against_loop(quick):
    """One vectorised sweep against a Python loop over the runs, per run."""
    side, n_steps, repeats = (4, 3, 2) if quick else (64, 20, 5)
    rows = []
    for name in ("mirror_descent", "trust_region", "ppo, 4 epochs", "grpo"):
        for sample in (False, True):
            cells = plane.cells(name, n_steps, sample=sample)
            seed = 0 if sample else None
            whole = plane.axes(side)
            few = {axis: values[:: max(1, side // 4)] for axis, values in whole.items()}

            def loop(cells=cells, few=few, sample=sample):
                for tau in few["tau"]:
                    for p in few["p"]:
                        rng = np.random.default_rng(0) if sample else None
                        cells(np.array([tau]), np.array([p]), rng=rng)

            both = {"loop": loop, "sweep": partial(sweep, cells, whole, seed=seed, tile=2048)}
            taken = rounds(both, repeats)
            n_few = len(few["tau"]) * len(few["p"])
            each, all_at_once = taken["loop"] / n_few, taken["sweep"] / side**2
            how = "sampled" if sample else "exact"
            note = f"{seconds(np.median(each))} and {seconds(np.median(all_at_once))} a run"
            rows.append(row(f"loop / sweep: {name}, {how}", each, all_at_once, note))
    return rows


def flow_against_solver(quick):
    """The closed-form flow against adaptive solvers of its differential equation."""
    n_actions, n_times, repeats = (5, 10, 2) if quick else (100, 1000, 7)
    rng, tau = np.random.default_rng(0), 0.5
    start, end = (log_normalize(rng.normal(size=n_actions)) for _ in range(2))
    times = np.linspace(0.0, 10.0, n_times)

    def field(t, log_pi):  # bare, without any check: the fastest that can be written
        pull = tau * (end - log_pi)
        return pull - np.exp(log_pi) @ pull

    def replicator(t, log_pi):
        return flow.replicator(log_pi, tau * (end - log_pi))

    def solve(method, rtol):
        return solve_ivp(field, (0.0, 10.0), start, method, times, rtol=rtol, atol=rtol / 100).y

    taken = rounds(
        {
            "closed": lambda: flow.kl_flow(times, start, end, tau),
            "loose": lambda: solve("RK45", 1e-3),
            "RK45": lambda: solve("RK45", 1e-6),
            "DOP853": lambda: solve("DOP853", 1e-9),
            "integrate": lambda: flow.integrate(replicator, start, times),
        },
        repeats,
    )
    exact = flow.kl_flow(times, start, end, tau)
    rows = []
    for name, method, rtol in (
        ("loose", "RK45", 1e-3), ("RK45", "RK45", 1e-6), ("DOP853", "DOP853", 1e-9)
    ):  # fmt: skip
        off = np.abs(solve(method, rtol).T - exact).max()
        note = f"{seconds(np.median(taken['closed']))} closed; the solver is off by {off:.0e}"
        what = f"bare solver, {method} {rtol:.0e} / kl_flow"
        rows.append(row(what, taken[name], taken["closed"], note))
    off = np.abs(flow.integrate(replicator, start, times) - exact).max()
    note = f"with checks, normalized; off by {off:.0e}"
    return [*rows, row("flow.integrate / kl_flow", taken["integrate"], taken["closed"], note)]


def tilt_against_exp(quick):
    """One normalized mirror step against one exp, and against passes over memory."""
    rows = []
    for n, repeats in ((10, 2),) if quick else ((10**3, 15), (10**5, 15), (10**6, 15)):
        rng = np.random.default_rng(0)
        log_p, direction, out = log_normalize(rng.normal(size=n)), rng.normal(size=n), np.empty(n)
        taken = rounds(
            {
                "tilt": partial(tilt, log_p, direction),
                "exp": partial(np.exp, direction),
                "copy": partial(np.copyto, out, direction),
                "add": partial(np.add, log_p, direction, out=out),
            },
            repeats,
        )
        times = {name: seconds(np.median(t)) for name, t in taken.items()}
        note = f"tilt {times['tilt']}, exp {times['exp']}"
        rows.append(row(f"tilt / exp at {n:,} actions", taken["tilt"], taken["exp"], note))
        for name in ("copy", "add"):
            note = f"{name} {times[name]}"
            rows.append(row(f"tilt / np.{name} at {n:,} actions", taken["tilt"], taken[name], note))
    return rows


def growth(quick):
    """How time and memory grow with the grid."""
    sides, n_steps, repeats = ((2, 4), 2, 2) if quick else ((64, 128, 256), 10, 5)
    cells = plane.cells("mirror_descent", n_steps, sample=False)
    grids = {side: plane.axes(side) for side in sides}
    taken = rounds({str(s): partial(sweep, cells, axes) for s, axes in grids.items()}, repeats)
    size = np.log([side**2 for side in sides])
    exponents = [
        np.polyfit(size, np.log([taken[str(s)][i] for s in sides]), 1)[0] for i in range(repeats)
    ]
    low, middle, high = np.quantile(exponents, [0.25, 0.5, 0.75])
    note = ", ".join(f"{s}² {seconds(np.median(taken[str(s)]))}" for s in sides)
    rows = [Row("exponent of time in the number of cells", middle, low, high, note)]

    def peak(side, **options):
        tracemalloc.start()
        try:
            result = sweep(cells, grids[side], **options)
            return tracemalloc.get_traced_memory()[1] - sum(a.nbytes for a in result.values())
        finally:
            tracemalloc.stop()

    bound = 2**18 if quick else 4 * 2**20
    for side in sides[-2:]:
        one, cut = peak(side, block=side**2), peak(side, memory=bound)
        note = f"{cut / 1e6:.2f} MB in blocks under a bound of {bound / 1e6:.2f}"
        rows.append(Row(f"memory, one block / blocks: {side}² cells", *[one / cut] * 3, note))
    return rows


def steps(quick):
    """One step of each algorithm against a step of mirror descent, exact and sampled."""
    n_cells, repeats = (4, 2) if quick else (2048, 9)
    p, tau = np.geomspace(1e-3, 0.4, n_cells), np.full(n_cells, 0.3)
    log_ref = plane.reference(p)
    rng, candidates = np.random.default_rng(0), {}
    for name in plane.ENTRIES:
        for sample in (False, True):
            algorithm = plane.make(name, log_ref, tau)
            signal = plane.make_signal(name, log_ref, tau, rng if sample else None)
            # From some way into the run: the first steps are not like the others.
            state = run(algorithm, log_ref, signal, 1 if quick else 20, path=False).state

            def step(algorithm=algorithm, signal=signal, state=state):
                return algorithm.step(state, signal(state))

            candidates[f"{name}, {'sampled' if sample else 'exact'}"] = step
    taken = rounds(candidates, repeats)
    base = taken["mirror_descent, exact"]
    return [
        row(f"step: {name} / mirror", t, base, f"{seconds(np.median(t) / n_cells)} a cell")
        for name, t in taken.items()
    ]


def phase_plane(quick, full=False):
    """Seconds for 64 x 64 cells x 16 seeds x 200 steps: one process, and with --full two.

    The targets are times: under 10 s for exact steps, under 60 s for sampled ones and for several
    inner epochs. So these rows are seconds on the wall and not ratios. Exact runs have no seeds;
    they are given for the plane alone and for sixteen equal copies. One process does a sixteenth
    of the plane where there are seeds, and its time is multiplied; two do the whole plane.
    """
    n_seeds, n_steps, block = (2, 2, 2) if quick else (16, 200, 2048)
    rows = []
    for name in plane.ENTRIES:
        for how, seeds in (("exact", None), ("exact, 16 copies", n_seeds), ("sampled", n_seeds)):
            side = 2 if quick else 64 if seeds is None else 16
            scale = 1 if quick else (64 / side) ** 2
            cells = plane.cells(name, n_steps, sample=how == "sampled")
            options = {"seed": 0 if how == "sampled" else None, "block": block, "tile": block}
            job = partial(sweep, cells, **options)
            best = scale * wall(partial(job, plane.axes(side, seeds)))
            note = f"1 process {best:.3g} s"
            if full:
                whole = plane.axes(side if quick else 64, seeds)
                both = wall(partial(job, whole, workers=2))
                best, note = min(best, both), f"{note}, 2 processes {both:.3g} s"
            rows.append(Row(f"seconds: {name}, {how}", *[best] * 3, note))
    return rows


def wall(job):
    """Seconds on the wall for a single call."""
    start = time.perf_counter()
    job()
    return time.perf_counter() - start


#: Every benchmark by the name that the command line takes.
CASES = {
    "loop": sweep_against_loop,
    "flow": flow_against_solver,
    "tilt": tilt_against_exp,
    "growth": growth,
    "steps": steps,
    "plane": phase_plane,
}
