"""Equilibria against brute-force scans, many digits, and long runs of the expected updates."""

import mpmath as mp
import numpy as np
import oracles
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit, logit
from scipy.stats import binom

from klrl_lite import flow, gibbs, simplex, thresholds
from klrl_lite.equilibria import (
    grpo_equilibria,
    grpo_spinodal,
    k2_fixed_point,
    k3_fixed_point,
    k3_std_fixed_point,
    rule_equilibria,
    std_advantage_force,
    token_fixed_point,
)


def sigma_by_definition(p, size):
    """E[sigma_G] as a binomial sum of standard deviations."""
    k = np.arange(size + 1)
    return np.sum(
        binom.pmf(k, size, np.asarray(p)[..., None]) * np.sqrt(k / size * (1 - k / size)), -1
    )


def force_by_definition(p, size):
    return (
        1 / np.sqrt(p * (1 - p)) if size == np.inf else sigma_by_definition(p, size) / (p * (1 - p))
    )


def scan(p, beta, size, n=200_001, reach=30.0):
    """Roots of the equation of state as sign changes on a fine grid; and which are stable."""
    odds = np.linspace(-reach, reach, n)
    drift = force_by_definition(expit(odds), size) - beta * (odds - logit(p))
    (at,) = np.nonzero(np.sign(drift[:-1]) != np.sign(drift[1:]))
    return expit(0.5 * (odds[at] + odds[at + 1])), drift[at] > 0


# --- the force ---


@pytest.mark.parametrize("size", [2, 3, 4, 8, 64, 300])
def test_force_against_its_definition(agree, size):
    p = np.array([1e-12, 1e-3, 0.2, 0.5, 0.9, 1 - 1e-9])
    exact = []
    for x in oracles.many(p):
        sigma = mp.fsum(
            mp.binomial(size, k) * x**k * (1 - x) ** (size - k)
            * mp.sqrt(mp.mpf(k) / size * (1 - mp.mpf(k) / size)) for k in range(size + 1)
        )  # fmt: skip
        exact.append(sigma / (x * (1 - x)))
    # Logarithms of binomial coefficients, of size G, are rounded.
    agree("std_advantage_force", std_advantage_force(p, size), exact, rtol=1e-14 + 4e-16 * size)


def test_ends_and_bounds_of_the_force():
    p = np.linspace(0, 1, 101)
    for size in (2, 3, 5, 17, 1000):
        force = std_advantage_force(p, size)
        np.testing.assert_allclose(force[[0, -1]], np.sqrt(size - 1))
        assert force.max() <= np.sqrt(size - 1) * (1 + 1e-12)
        assert force.min() >= 2 * (size - 1) / size * (1 - 1e-12)
        np.testing.assert_allclose(force, force[::-1])
    for size in (2, 3):
        np.testing.assert_allclose(std_advantage_force(p, size), np.sqrt(size - 1))
    assert std_advantage_force([0.0, 1.0]).tolist() == [np.inf, np.inf]
    # Large groups tend to the population; the difference is of order 1/G.
    sizes = np.array([50, 100, 200, 400])
    errors = [std_advantage_force(0.3) - std_advantage_force(0.3, int(g)) for g in sizes]
    assert np.polyfit(np.log(sizes), np.log(errors), 1)[0] == pytest.approx(-1.0, abs=0.03)


# --- std with the true KL ---


@settings(max_examples=25)
@given(st.floats(-8.0, 3.0), st.floats(-2.0, 1.5), st.sampled_from([2, 3, 4, 7, 8, 16, 40, np.inf]))
def test_every_fixed_point_of_a_scan_is_found(log_odds, log_beta, size):
    p, beta = float(expit(log_odds)), 10.0**log_beta
    success, stable = grpo_equilibria(p, beta, size)
    # Near P = 1 the log-odds of a float are known to eps/(1 - P) only.
    inside = success[success < 1 - 1e-9]
    drift = force_by_definition(inside, size) - beta * (logit(inside) - logit(p))
    assert np.all(np.abs(drift) <= 1e-11 * (1 + beta * (1 + np.abs(logit(inside)))) / (1 - inside))
    assert np.all(np.diff(success) >= 0)
    found, attract = scan(p, beta, size, n=20_001)
    seen = (np.abs(logit(np.clip(success, 1e-300, 1 - 1e-16))) < 29.9) & (success < 1 - 1e-12)
    found = found[found < 1 - 1e-12]
    # A pair of roots closer than the grid is invisible to the scan.
    if len(found) == seen.sum():
        np.testing.assert_allclose(logit(success[seen]), logit(found), atol=2e-3)
        assert stable[seen].tolist() == attract[: len(found)].tolist()
    else:
        assert seen.sum() - len(found) == 2
        assert np.diff(logit(success[seen])).min() < 3e-3


def test_known_cases():
    # S8.10 and R24 of the claims, and the two groups that are Gibbs exactly.
    assert grpo_equilibria(0.05, 1.5, 16)[0].round(4).tolist() == [0.2007]
    success, stable = grpo_equilibria(1e-3, 0.3, 16)
    assert stable.tolist() == [True, False, True]
    assert success[[0, 2]].round(4).tolist() == [0.4104, 0.9972]
    for size in (2, 3):
        success, stable = grpo_equilibria(0.01, 0.4, size)
        assert success == pytest.approx(expit(logit(0.01) + np.sqrt(size - 1) / 0.4))
        assert stable.tolist() == [True]


def windows(p, size, betas):
    several = [len(grpo_equilibria(p, b, size)[0]) == 3 for b in betas]
    return betas[several]


def test_hysteresis_needs_large_groups():
    betas = np.geomspace(0.15, 1.0, 80)
    for size in (2, 4, 6):
        assert windows(1e-3, size, betas[::4]).size == 0
    betas = np.linspace(0.26, 0.345, 52)
    # R24: 0.270 to 0.334 for G = 16.
    window = windows(1e-3, 16, betas)
    assert window.min() == pytest.approx(0.270, abs=3e-3)
    assert window.max() == pytest.approx(0.334, abs=3e-3)


def critical_group(p):
    """Smallest group with three fixed points at some beta: the equation of state folds.

    beta(l) = C(l)/(l - l0) has a turning point iff (l - l0) C' = C somewhere.
    """
    odds = np.linspace(logit(p) + 0.05, 12.0, 6000)
    for size in range(4, 40):
        beta = force_by_definition(expit(odds), size) / (odds - logit(p))
        if np.any(np.diff(beta) > 0):
            return size
    return None


def test_critical_group_size():
    # SCIENCE 5: about 17, 14, 10, 8 for p = 0.1, 0.05, 0.01, 0.001.
    for p, about in ((0.1, 17), (0.05, 14), (0.01, 10), (0.001, 8)):
        size = critical_group(p)
        assert abs(size - about) <= 1
        betas = np.geomspace(0.05, 3.0, 400)
        odds = np.linspace(logit(p) + 0.05, 12.0, 6000)
        turning = force_by_definition(expit(odds), size) / (odds - logit(p))
        at = np.nonzero(np.diff(turning) > 0)[0]
        inside = 0.5 * (turning[at[0]] + turning[at[-1] + 1])
        assert len(grpo_equilibria(p, inside, size)[0]) == 3
        assert all(len(grpo_equilibria(p, b, size - 1)[0]) == 1 for b in betas[::30])


@pytest.mark.parametrize("p", [1e-300, 1e-12, 1e-3, 0.05, 0.3, 0.5, 0.8, 1 - 1e-9])
def test_spinodal_against_a_tangency_with_many_digits(agree, p):
    with oracles.digits(60):
        support = oracles.many(p)
        l0 = mp.log(support / (1 - support))

        # Independent of the closed form: the line and the cosh touch, value and slope.
        def touch(x):  # beta from equal values; then equal slopes
            return 2 * mp.cosh(x / 2) / (x - l0) - mp.sinh(x / 2)

        low, high = max(l0, 0) + mp.mpf("1e-9"), max(l0, 0) + 4
        l_s = mp.findroot(touch, (low, high), solver="anderson", tol=1e-50, maxsteps=500)
        exact = mp.sinh(l_s / 2)
        agree("grpo_spinodal", grpo_spinodal(p), exact, rtol=1e-14)
        # L = 2 coth(l/2) - l, on both sides of p = 1/2.
        assert abs(2 * mp.coth(l_s / 2) - l_s + l0) < mp.mpf("1e-20")


@pytest.mark.parametrize("p", [1e-300, 1e-3, 0.05, 0.5, 0.8])
def test_both_sides_of_the_spinodal(p):
    beta = grpo_spinodal(p)
    assert grpo_equilibria(p, beta * (1 - 1e-9))[0].size == 0
    hotter, stable = grpo_equilibria(p, beta * (1 + 1e-9))
    assert stable.tolist() == [True, False]
    at, half = grpo_equilibria(p, beta)
    assert half.tolist() in ([False], [True, False], [])
    if at.size:
        assert at[0] == pytest.approx(expit(2 * np.arcsinh(beta)), rel=1e-6)
    # Square-root law of a saddle-node: the gap grows by 10 when the distance grows by 100.
    wide, _ = grpo_equilibria(p, beta * (1 + 1e-7))
    assert np.ptp(logit(wide)) / np.ptp(logit(hotter)) == pytest.approx(10.0, rel=0.05)


def test_spinodal_is_the_peak_of_the_heat_capacity():
    # R22: beta_s = 1/sqrt(C_max), from the Gibbs family, by another module.
    for p in (1e-6, 0.01, 0.2):
        peak = thresholds.heat_capacity_peak(p)
        assert grpo_spinodal(p) == pytest.approx(1 / np.sqrt(peak.height), rel=1e-12)
        x = np.array([0.0, 1.0])
        at = gibbs.heat_capacity(np.log([1 - p, p]), x, peak.tau)
        assert grpo_spinodal(p) == pytest.approx(1 / np.sqrt(at), rel=1e-9)


def test_spinodal_limits():
    small = -np.array([1e3, 1e5, 1e8])  # as log p
    np.testing.assert_allclose(grpo_spinodal(small, log_p=True) * -small, 2.0, rtol=1e-2)
    assert grpo_spinodal([0.0, 1.0]).tolist() == [0.0, np.inf]
    assert grpo_spinodal(np.full((2, 3), 0.1)).shape == (2, 3)


def test_extreme_arguments():
    for p in (1e-300, 1e-15, 1 - 1e-12):
        for beta in (1e-6, 1e6):
            for size in (2, 16, 300, np.inf):
                with np.errstate(over="raise", invalid="raise", divide="raise"):
                    success, stable = grpo_equilibria(p, beta, size)
                assert np.all((success > 0) & (success <= 1))
                assert size == np.inf or success.size % 2 == 1
                assert stable[:1].all()
    # The same support given as a logarithm, and beyond the range of floats.
    np.testing.assert_allclose(*(grpo_equilibria(x, 0.5, log_p=f)[0]
                                 for x, f in ((1e-5, False), (np.log(1e-5), True))))  # fmt: skip
    assert grpo_equilibria(-1e4, 1e-3, log_p=True)[0].size == 2


def exact_drift(p, beta, size):
    """Velocity of log pi under the replicator with GRPO's mean-field advantage."""
    log_ref = np.log([1 - p, p])

    def field(_, log_pi):
        pull = np.array([0.0, force_by_definition(np.exp(log_pi[1]), size)])
        return flow.replicator(log_pi, pull - beta * (log_pi - log_ref))

    return field


@pytest.mark.parametrize("size", [16, np.inf])
def test_the_flow_ends_on_the_stable_roots(size):
    p, beta = (1e-3, 0.3) if size == 16 else (0.01, 0.5)
    success, stable = grpo_equilibria(p, beta, size)
    unstable = success[~stable][0]
    for start, end in ((unstable - 0.02, success[0]), (unstable + 0.02, success[-1])):
        log_pi = np.log([1 - start, start])
        if end == unstable:  # the runaway of an infinite group: beyond the unstable root
            path = flow.integrate(exact_drift(p, beta, size), log_pi, [0.0, 1.0])
            assert path[-1, 1] > log_pi[1] + 1e-3
            continue
        path = flow.integrate(exact_drift(p, beta, size), log_pi, [0.0, 200.0])
        assert np.exp(path[-1, 1]) == pytest.approx(end, rel=1e-6)


# --- the other penalties ---


@settings(max_examples=30)
@given(st.floats(-8.0, 4.0), st.floats(-1.5, 1.0), st.integers(-100, 300))
def test_k3_without_std_against_its_quadratic(log_odds, log_beta, percent):
    p, beta, gap = expit(log_odds), 10.0**log_beta, percent / 100
    ours = k3_fixed_point(p, beta, gap)
    w, x = oracles.many(gap / beta), oracles.many(p)
    # The rational form on the simplex: P = beta p/(nu - gap), 1 - P = beta (1 - p)/nu.
    root = mp.sqrt((1 - w) ** 2 + 4 * w * x)
    both = [(w - 1 + root) / (2 * w), (w - 1 - root) / (2 * w)] if w else [x]
    exact = next(r for r in both if 0 <= r <= 1)
    assert ours == pytest.approx(float(exact), rel=1e-12)
    nu = beta * (1 - p) / (1 - ours)
    assert beta * p / (nu - gap) == pytest.approx(ours, rel=1e-6)


def test_k3_laws():
    assert k3_fixed_point(0.1, 1 / (2 * 0.8)) == pytest.approx(0.5)  # beta = gap/(2 (1 - 2p))
    for beta in (0.3, 0.9, 1.5):
        assert k3_fixed_point(1e-12, beta) == pytest.approx(max(0.0, 1 - beta), abs=1e-5)
    assert k3_std_fixed_point(1e-12, 0.5) == pytest.approx(1 / 1.25, rel=1e-9)
    assert k3_fixed_point([0.0, 1.0], 2.0).tolist() == [0.0, 1.0]
    # R25: G = 16, beta = 1.
    assert k3_std_fixed_point(np.array([0.05, 1e-3]), 1.0, 16).round(3).tolist() == [0.532, 0.484]


@settings(max_examples=30)
@given(st.floats(-8.0, 4.0), st.floats(-1.5, 1.0), st.sampled_from([2, 5, 16, np.inf]))
def test_k3_with_std_has_one_root(log_odds, log_beta, size):
    p, beta = expit(log_odds), 10.0**log_beta
    ours = k3_std_fixed_point(p, beta, size)
    grid = expit(np.linspace(-12, 25, 20_001))
    sigma = np.sqrt(grid * (1 - grid)) if size == np.inf else sigma_by_definition(grid, size)
    drift = sigma - beta * (grid - p)
    (at,) = np.nonzero(np.sign(drift[:-1]) != np.sign(drift[1:]))
    above = at[grid[at] > 0.5 * p]
    assert len(above) == 1
    assert logit(ours) == pytest.approx(logit(grid[above[0]]), abs=4e-3)


def test_k2_is_gibbs():
    for p, beta, gap in ((0.1, 0.5, 1.0), (1e-5, 0.1, 2.0), (0.9, 3.0, -1.0)):
        log_pi = gibbs.log_gibbs(np.log([1 - p, p]), [0.0, gap], beta)
        assert k2_fixed_point(p, beta, gap) == pytest.approx(np.exp(log_pi[1]))
    assert k2_fixed_point(-1e4, 1e-4, log_p=True) == pytest.approx(0.5)


def token_dynamics(q, beta, gap, penalty, rate=4.0, n_steps=1500):
    """Expected gradient with a KL per token, by summing over all sequences and their tokens.

    One logit for each prefix; the reward is for the sequence of all ones. The penalty of a token
    is differentiated through that token only, as an autodiff of the token loss does.
    """
    k = len(q)
    prefixes = [tuple(int(b) for b in f"{i:0{n}b}"[:n]) for n in range(k) for i in range(2**n)]
    ref = np.array([logit(q[len(c)]) for c in prefixes])
    index = {c: i for i, c in enumerate(prefixes)}
    odds = ref.copy()
    sequences = [tuple(int(b) for b in f"{i:0{k}b}") for i in range(2**k)]
    where = np.array([[index[s[:t]] for t in range(k)] for s in sequences])
    tokens = np.array(sequences)
    for _ in range(n_steps):
        p_one, q_one = expit(odds)[where], expit(ref)[where]
        p = np.where(tokens == 1, p_one, 1 - p_one)
        d = np.log(p) - np.log(np.where(tokens == 1, q_one, 1 - q_one))
        term = d if penalty == "k2" else 1 - np.exp(-d)
        score = tokens - p_one  # d log p(token) / d odds
        weight = p.prod(axis=1)[:, None]
        advantage = gap * tokens.all(axis=1)[:, None] - beta * term
        slope = np.zeros_like(odds)
        np.add.at(slope, where, weight * advantage * score)
        odds += rate * slope
    right = [index[(1,) * t] for t in range(k)]
    return expit(odds[right])


@pytest.mark.parametrize("penalty", ["k2", "k3"])
def test_token_penalties_against_the_summed_gradient(penalty):
    q, beta, gap = [0.6, 0.4, 0.7], 0.8, 1.5
    ours = token_fixed_point(q, beta, gap, penalty=penalty)
    np.testing.assert_allclose(ours, token_dynamics(q, beta, gap, penalty), rtol=1e-6)
    # One step is a sequence of its own.
    single = {"k2": k2_fixed_point, "k3": k3_fixed_point}[penalty]
    assert token_fixed_point([0.4], beta, gap, penalty=penalty)[0] == single(0.4, beta, gap)
    # It is not what the penalty of a whole sequence gives.
    assert abs(ours.prod() - single(np.prod(q), beta, gap)) > 0.05


def test_token_batches():
    q = np.array([[0.5, 0.6], [0.2, 0.9], [0.4, 0.4]])
    beta = np.array([0.5, 1.0, 2.0])
    together = token_fixed_point(q, beta, 1.3, penalty="k3")
    for i in range(3):
        np.testing.assert_array_equal(
            together[i], token_fixed_point(q[i], beta[i], 1.3, penalty="k3")
        )


def test_continuous_transition_of_token_k3():
    # SCIENCE 5: large K with an extensive gap, P = max(0, 1 - beta (1 - q)/step_gap).
    k, q, step_gap = 2000, 0.7, 1.0
    for beta in (1.0, 3.0, 4.0):
        success = token_fixed_point(np.full(k, q), beta, k * step_gap, penalty="k3").prod()
        assert success == pytest.approx(max(0.0, 1 - beta * (1 - q) / step_gap), abs=0.02)


# --- the integrator ---


def test_integrate_against_the_closed_form():
    rng = np.random.default_rng(0)
    start, log_ref = simplex.log_normalize(rng.normal(size=(2, 3, 4)))
    reward, tau, times = rng.normal(size=4), 0.7, np.array([0.0, 0.3, 1.0, 4.0])
    end = gibbs.log_gibbs(log_ref, reward, tau)

    def field(_, log_pi):
        return flow.replicator(log_pi, gibbs.soft_advantage(log_pi, log_ref, reward, tau))

    path = flow.integrate(field, start, times)
    assert path.shape == (4, 3, 4)
    closed = flow.kl_flow(times[:, None], start, end, tau)
    np.testing.assert_allclose(path, closed, atol=1e-7)
    np.testing.assert_allclose(np.exp(path).sum(axis=-1), 1.0, rtol=1e-12)


def test_integrate_keeps_impossible_actions_and_time():
    start = np.log([0.5, 0.5, 1.0]) + np.array([0, 0, -np.inf])
    path = flow.integrate(lambda t, x: flow.replicator(x, [0.0, 2 * t, 5.0]), start, [0.0, 3.0])
    assert path[:, 2].tolist() == [-np.inf, -np.inf]
    assert path[1, 1] - path[1, 0] == pytest.approx(9.0, abs=1e-7)
    same = flow.integrate(lambda t, x: np.zeros(3), start, [0.0])
    np.testing.assert_array_equal(same, start[None])


def test_integrate_reports_failure():
    def blows_up(t, x):  # a log-odds u with du/dt = exp(10 u) is infinite at time 0.1
        return np.array([0.0, np.exp(min(10 * (x[1] - x[0]), 600.0))])

    with pytest.raises(RuntimeError, match="could not be integrated"):
        flow.integrate(blows_up, np.log([0.5, 0.5]), [1.0])
    with pytest.raises(ValueError, match="field must be finite"):
        flow.integrate(lambda t, x: np.array([0.0, np.nan]), np.log([0.5, 0.5]), [1.0])


BAD = {
    "no support": (lambda: grpo_equilibria(0.0, 1.0), "p_ref"),
    "certain": (lambda: grpo_equilibria(1.0, 1.0), "p_ref"),
    "support": (lambda: grpo_spinodal(1.1), "p_ref"),
    "beta": (lambda: grpo_equilibria(0.1, 0.0), "beta"),
    "nan": (lambda: grpo_equilibria(0.1, np.nan), "beta"),
    "several": (lambda: grpo_equilibria([0.1, 0.2], 1.0), "single numbers"),
    "one": (lambda: grpo_equilibria(0.1, 1.0, 1), "group_size"),
    "half": (lambda: std_advantage_force(0.1, 2.5), "group_size"),
    "groups": (lambda: std_advantage_force(0.1, [2, 3]), "group_size"),
    "success": (lambda: std_advantage_force(1.5), "success"),
    "gap": (lambda: k2_fixed_point(0.1, 1.0, np.inf), "gap"),
    "k3 beta": (lambda: k3_fixed_point(0.1, -1.0), "beta"),
    "k3 support": (lambda: k3_std_fixed_point(0.0, 1.0), "p_ref"),
    "shapes": (lambda: k3_fixed_point(np.full(2, 0.1), np.ones(3)), "broadcast"),
    "step support": (lambda: token_fixed_point([0.5, 1.0], 1.0), "q_steps"),
    "no step": (lambda: token_fixed_point([], 1.0), "q_steps"),
    "penalty": (lambda: token_fixed_point([0.5], 1.0, penalty="k1"), "penalty"),
    "times": (lambda: flow.integrate(lambda t, x: x, np.log([0.5, 0.5]), [1.0, 0.0]), "t_eval"),
    "start": (lambda: flow.integrate(lambda t, x: x, [0.0, 0.0], [1.0]), "log_pi0"),
}


@pytest.mark.parametrize(("call", "words"), BAD.values(), ids=BAD)
def test_wrong_input(call, words):
    with pytest.raises(ValueError, match=words):
        call()


@pytest.mark.parametrize("log_odds", [1e3, 1e50, 1e100, 1e300])
def test_the_spinodal_of_any_support_is_two_over_its_price(log_odds):
    found = grpo_spinodal(-log_odds, log_p=True)
    assert found * log_odds / 2.0 == pytest.approx(1.0, rel=2.0 / log_odds + 1e-14)


def test_a_support_below_all_others_has_its_fixed_point():
    for support, beta in ((1e-20, 1e10), (1e-200, 1e99)):
        known, _ = grpo_equilibria(support, beta)
        found, stable = rule_equilibria([support], beta, advantage="std")
        assert stable[0]
        assert found[0] == pytest.approx(known[0], rel=1e-9)
