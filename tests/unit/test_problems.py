"""Test systems: their masses against exact binomials, their closed forms against the package."""

from itertools import pairwise

import mpmath as mp
import numpy as np
import oracles
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracles import EPS
from samples import TAUS, policies, vectors

from klrl_lite import gibbs, problems, simplex

SUPPORTS = [1e-300, 1e-30, 1e-6, 0.1, 0.5, 0.9, 1.0 - 1e-10]


@pytest.mark.parametrize("p_ref", SUPPORTS)
def test_binary_closed_forms(agree, p_ref):
    problem = problems.binary(p_ref, 1.5)
    assert problem.n_actions == 2
    assert problem.reward.tolist() == [0.0, 1.5]
    with oracles.digits(700):
        p = oracles.many(p_ref)
        agree("binary", problem.log_ref, [mp.log1p(-p), mp.log(p)])
        price = oracles.log_odds(p_ref)
        for tau in TAUS:
            x = mp.mpf(1.5) / oracles.many(tau)
            z = problem.known["log_partition"](tau)
            # log p and gap/tau are rounded before they meet.
            bound = 4 * EPS * float(abs(mp.log(p)) + abs(x))
            agree("binary log_partition", z, mp.log(1 - p + p * mp.exp(x)), bound=bound)
            success = problem.known["success_probability"](tau)
            exact = 1 / (1 + mp.exp(price - x))
            agree("binary success", success, exact)


@pytest.mark.parametrize("tau", [1e-3, 0.3, 1.0, 1e3, 1e6])
def test_binary_agrees_with_the_general_code(tau):
    problem = problems.binary(np.array([1e-300, 1e-6, 0.3, 0.99]), np.array([1.0, 2.0, 0.5, -1.0]))
    log_pi = gibbs.log_gibbs(problem.log_ref, problem.reward, tau)
    success = problem.known["success_probability"](tau)
    np.testing.assert_allclose(np.exp(log_pi[..., 1]), success, rtol=1e-12)
    log_z = gibbs.log_partition(problem.log_ref, problem.reward, tau)
    np.testing.assert_allclose(problem.known["log_partition"](tau), log_z, rtol=1e-12, atol=1e-13)


def test_binary_without_support_and_without_failure():
    problem = problems.binary(np.array([0.0, 1.0]))
    for tau in TAUS:
        assert problem.known["success_probability"](tau).tolist() == [0.0, 1.0]
        assert problem.known["log_partition"](tau).tolist() == [0.0, 1.0 / tau]
    as_logs = problems.binary(np.array([-np.inf, 0.0]), log_p=True)
    np.testing.assert_array_equal(as_logs.log_ref, problem.log_ref)


@pytest.mark.parametrize("log_p", [-1e-300, -1e-10, -0.1, -0.69, -0.71, -5.0, -800.0, -6931.0])
def test_log_support(agree, log_p):
    log_good, log_bad = problems.log_support(log_p, log_p=True)
    assert log_good == log_p
    with oracles.digits(4000 if log_p < -700 else 700):
        agree("log_support", log_bad, mp.log(-mp.expm1(oracles.many(log_p))))


# --- chains ---


@pytest.mark.parametrize("n_steps", [1, 2, 3, 10, 16, 17, 18, 100, 1000, 10_000])
@pytest.mark.parametrize("q", [1e-6, 0.3, 0.5, 0.97, 1.0 - 1e-10])
def test_binomial_masses(agree, n_steps, q):
    log_mass = problems.chain(q, n_steps, credit="additive").log_ref
    picked = np.unique(np.linspace(0, n_steps, 60).round().astype(int))
    x = oracles.many(q)
    exact = [
        mp.log(mp.binomial(n_steps, int(m)))
        + int(m) * mp.log(x)
        + (n_steps - int(m)) * mp.log1p(-x)
        for m in picked
    ]
    # Log-masses reach 1e5, and the typical ones are log(K)/2: those are right to rounding of
    # the parts, of which the largest is the deviance.
    bound = 1e-15 * (4 + np.abs(np.array(exact, dtype=float)))
    agree("log binomial mass", log_mass[picked], exact, rtol=1e-12, bound=bound)
    likely = np.array([m for m, e in zip(picked, exact, strict=True) if e > -700])
    masses = [mp.exp(e) for e in exact if e > -700]
    agree("binomial mass", np.exp(log_mass[likely]), masses)
    assert np.exp(log_mass).sum() == pytest.approx(1.0, rel=1e-13)


@pytest.mark.parametrize("n_steps", [1, 10, 1000, 10_000])
@pytest.mark.parametrize("q", [0.3, 0.97])
def test_additive_closed_forms(agree, n_steps, q):
    known = problems.chain(q, n_steps, 1.5, credit="additive").known
    x = oracles.many(q)
    for tau in TAUS:
        factor = x * mp.exp(mp.mpf(1.5) / oracles.many(tau))
        success = factor / (1 - x + factor)
        log_z = n_steps * mp.log(1 - x + factor)
        # 1/tau is rounded before it is added to log q, and the sum multiplied by K.
        bound = 4 * EPS * n_steps * (1.5 / tau + abs(np.log(q))) * (tau < 100)
        agree("additive log_partition", known["log_partition"](tau), log_z, bound=bound)
        agree("additive mean_reward", known["mean_reward"](tau), n_steps * mp.mpf(1.5) * success)
        agree("additive all_correct", known["all_correct"](tau), success**n_steps)


@pytest.mark.parametrize("n_steps", [1, 3, 50, 10_000])
def test_additive_chain_factorizes(n_steps):
    # The sum over K + 1 levels against K independent steps.
    problem = problems.chain(0.3, n_steps, 0.7, credit="additive")
    for tau in (0.1, 1.0, 30.0):
        log_pi = gibbs.log_gibbs(problem.log_ref, problem.reward, tau)
        log_z = gibbs.log_partition(problem.log_ref, problem.reward, tau)
        mean = simplex.expect(log_pi, problem.reward)
        assert mean == pytest.approx(problem.known["mean_reward"](tau), rel=1e-11)
        assert log_z == pytest.approx(problem.known["log_partition"](tau), rel=1e-11)
        assert np.exp(log_pi[-1]) == pytest.approx(problem.known["all_correct"](tau), rel=1e-10)


def test_chain_by_counting_every_answer():
    q, k, gap = 0.6, 8, 0.5
    right = (np.arange(2**k)[:, None] >> np.arange(k)) & 1
    mass = np.where(right, q, 1 - q).prod(axis=-1)
    count = right.sum(axis=-1)
    by_count = np.bincount(count, mass)
    for credit in ("additive", np.square):
        problem = problems.chain(q, k, gap, credit=credit)
        np.testing.assert_allclose(np.exp(problem.log_ref), by_count, rtol=1e-13)
    np.testing.assert_allclose(problem.reward, gap * k * (np.arange(k + 1) / k) ** 2)
    everything = problems.chain(q, k, gap)
    np.testing.assert_allclose(np.exp(everything.log_ref), [1 - mass[-1], mass[-1]], rtol=1e-13)
    assert everything.reward.tolist() == [0.0, k * gap]
    # Graded so that only the full answer counts, it is the same problem with more levels.
    graded = problems.chain(q, k, gap, credit=lambda share: (share == 1.0) * 1.0)
    for tau in (0.1, 1.0, 10.0):
        ours = gibbs.log_gibbs(graded.log_ref, graded.reward, tau)[-1]
        assert np.exp(ours) == pytest.approx(everything.known["success_probability"](tau))


def test_a_chain_of_ten_thousand_has_support_below_every_float():
    problem = problems.chain(0.5, 10_000)
    assert problem.log_ref[1] == pytest.approx(-10_000 * np.log(2.0), rel=1e-15)
    assert np.exp(problem.log_ref[1]) == 0.0
    threshold = 1.0 / np.log(2.0)
    success = problem.known["success_probability"](np.array([0.9, 1.1]) * threshold)
    # exp(-L/11) is left above the threshold, L = 6931; below it, nothing that 1.0 could show.
    np.testing.assert_allclose(success, [1.0, 0.5 ** (10_000 / 11)], rtol=1e-11)


def test_names_do_not_depend_on_the_run():
    # A function's repr has an address in it, which would differ in every stored notebook.
    assert problems.chain(0.5, 2, credit=lambda share: share).name == "chain (graded)"
    assert problems.chain(0.5, 2, credit="additive").name == "chain (additive)"
    assert "0x" not in repr(problems.chain(0.5, 2, credit=np.square))


@pytest.mark.parametrize(
    ("credit", "message"),
    [
        ("some", "credit must be 'all', 'additive' or a function; got 'some'"),
        (None, "credit must be"),
        (np.ones(3), "credit must be"),
        (lambda share: 1.0, "credit must have at least one action"),
        (lambda share: share[:-1], r"credit must map shape \(4,\) to itself; got \(3,\)"),
        (lambda share: share * np.nan, "credit must be finite"),
    ],
)
def test_chain_refuses_other_credit(credit, message):
    with pytest.raises(ValueError, match=message):
        problems.chain(0.5, 3, credit=credit)


@pytest.mark.parametrize(
    ("value", "error"),
    [
        *((value, ValueError) for value in (0, -1, 2.5, np.nan, np.inf, [3], [2, 3])),
        *((value, TypeError) for value in (True, np.True_, "3", None)),
    ],
)
def test_counts(value, error):
    rng = np.random.default_rng(0)
    for make, name in [
        (lambda n: problems.chain(0.5, n), "n_steps"),
        (lambda n: problems.random_energy(n, rng=rng), "n_steps"),
        (lambda n: problems.random_bandit(n, rng=rng), "n_actions"),
    ]:
        with pytest.raises(error, match=f"{name} must (be|not be NaN)"):
            make(value)
    assert problems.chain(0.5, np.int64(3)).log_ref[1] == problems.chain(0.5, 3.0).log_ref[1]


# --- levels ---


@given(st.data())
def test_crossings_are_the_edges_of_the_hull(data):
    log_mass = data.draw(policies(n=5, holes=True))
    reward = data.draw(vectors(5))
    crossings = problems.levels(log_mass, reward).known["crossings"]
    assert np.all(crossings > 0)
    assert np.all(np.diff(crossings) <= 0)

    # Independent: the best level of log_mass + r/tau, just above and below each crossing.
    def winner(tau):
        score = log_mass + reward / tau
        return np.flatnonzero(score >= score.max() - 1e-9 * (1 + abs(score.max())))

    for tau in crossings:
        assert len(winner(tau)) >= 2
    # Between crossings the winner has the reward and mass of one level.
    edges = np.concatenate([[1e9], crossings, [1e-9]])
    seen = [winner(np.sqrt(a * b))[0] for a, b in pairwise(edges) if a > 1.001 * b]
    assert np.all(np.diff(reward[seen]) >= 0)


def test_crossings_of_few_levels():
    def crossings(mass, reward):
        with np.errstate(divide="ignore"):
            return problems.levels(np.log(mass), reward).known["crossings"].tolist()

    assert crossings([1.0], [0.0]) == []
    assert crossings([0.5, 0.5], [0.0, 1.0]) == []  # the better one is as likely: no crossing
    assert crossings([1.0, 0.0], [0.0, 1.0]) == []
    assert crossings([0.9, 0.1], [0.0, 1.0]) == pytest.approx([1 / np.log(9)])
    # The middle level lies under the chord and never wins.
    assert crossings([1.0, 1e-9, 1e-12], [0.0, 1.0, 1.5]) == pytest.approx([1.5 / np.log(1e12)])
    assert "crossings" not in problems.levels(np.zeros((2, 3)), np.ones(3)).known


# --- random problems ---


def test_random_bandit():
    problem = problems.random_bandit(1000, rng=np.random.default_rng(0))
    again = problems.random_bandit(1000, rng=np.random.default_rng(0))
    np.testing.assert_array_equal(problem.log_ref, again.log_ref)
    assert np.exp(problem.log_ref).sum() == pytest.approx(1.0)
    # Concentrations of 1e-3 give masses of 1e-1000, kept as logarithms.
    sparse = problems.random_bandit(50, rng=np.random.default_rng(1), concentration=1e-3)
    assert sparse.log_ref.min() < -700
    assert np.all(np.isfinite(sparse.log_ref))


@pytest.mark.parametrize("concentration", [0.1, 1.0, 5.0])
def test_random_bandit_has_dirichlet_moments(concentration):
    rng, n, draws = np.random.default_rng(0), 4, 4000
    p = np.exp(
        [
            problems.random_bandit(n, rng=rng, concentration=concentration).log_ref
            for _ in range(draws)
        ]
    )
    variance = (1 / n) * (1 - 1 / n) / (n * concentration + 1)
    z = (p.mean(axis=0) - 1 / n) / np.sqrt(variance / draws)
    assert np.all(np.abs(z) < 4)
    assert p.var() == pytest.approx(variance, rel=0.06)


def test_random_energy():
    problem = problems.random_energy(16, 1.5, rng=np.random.default_rng(0))
    assert problem.n_actions == 2**16
    assert problem.reward.std() == pytest.approx(1.5 * 4.0, rel=0.02)
    assert problem.known["critical_tau"] == pytest.approx(1.5 / np.sqrt(2 * np.log(2)))
    # Above freezing, log Z/K is the annealed value sigma^2/(2 tau^2).
    tau = 3 * problem.known["critical_tau"]
    log_z = gibbs.log_partition(problem.log_ref, problem.reward, tau)
    assert log_z / 16 == pytest.approx(1.5**2 / (2 * tau**2), rel=0.05)


def test_random_problems_want_a_generator():
    for make in (problems.random_bandit, problems.random_energy):
        for rng in (0, None, np.random):
            with pytest.raises(TypeError, match=r"rng must be a numpy.random.Generator; got"):
                make(4, rng=rng)
    rng = np.random.default_rng(0)
    for value in (0.0, -1.0, np.nan, [1.0, 2.0]):
        with pytest.raises(ValueError, match=r"concentration must (be|not be)"):
            problems.random_bandit(4, rng=rng, concentration=value)
        with pytest.raises(ValueError, match=r"sigma must (be|not be)"):
            problems.random_energy(4, value, rng=rng)
