"""The replicator field and the closed-form flow, against an ODE solver and many digits."""

import numpy as np
import oracles
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import EPS
from samples import policies, positive, vectors
from scipy.integrate import solve_ivp

from klrl_lite import flow, gibbs, simplex
from klrl_lite.algorithms import iterate
from klrl_lite.algorithms.mirror import explicit_step, implicit_step


@pytest.mark.parametrize("spread", [1.0, 30.0, 300.0])
@pytest.mark.parametrize("rate", [1e-300, 1e-10, 1e-3, 1.0, 30.0, 600.0])
def test_kl_flow(agree, spread, rate):
    rng = np.random.default_rng(0)
    start, end = simplex.log_normalize(spread * rng.normal(size=(2, 5)))
    tau = 0.7
    # Two weighted logarithms are rounded and added.
    bound = 4 * EPS * (np.abs(start).max() + np.abs(end).max())
    with oracles.digits(700):
        exact = oracles.kl_flow(rate / tau, start, end, tau)
        with np.errstate(all="raise", under="ignore"):
            computed = flow.kl_flow(rate / tau, start, end, tau)
        agree("kl_flow", computed, exact, bound=bound)


def test_kl_flow_ends():
    start, end = np.log([0.5, 0.3, 0.2]), np.log([0.1, 0.2, 0.7])
    for tau in (1e-6, 1.0, 1e6):
        np.testing.assert_allclose(flow.kl_flow(0.0, start, end, tau), start, atol=1e-15)
        np.testing.assert_allclose(flow.kl_flow(np.inf, start, end, tau), end, atol=1e-15)


def test_an_excluded_action_never_comes_back():
    # Not after a time for which exp(-tau t) underflows, nor in the limit.
    start, end = np.array([0.0, -np.inf, 0.0]) - np.log(2.0), np.log([0.2, 0.5, 0.3])
    limit = simplex.log_normalize(np.where(start > -np.inf, end, -np.inf))
    for t in (1.0, 100.0, 800.0, 1e6, np.inf):
        assert flow.kl_flow(t, start, end, 1.0)[1] == -np.inf
    np.testing.assert_allclose(flow.kl_flow(np.inf, start, end, 1.0), limit)
    np.testing.assert_allclose(flow.kl_flow(1e3, start, end, 1.0), limit)
    # An action that the target excludes is there at time 0 and gone at once.
    assert flow.kl_flow(0.0, end, start, 1.0)[1] == pytest.approx(end[1])
    assert flow.kl_flow(1e-300, end, start, 1.0)[1] == -np.inf
    with pytest.raises(ValueError, match="at least one action possible"):
        flow.kl_flow(1.0, [0.0, -np.inf], [-np.inf, 0.0], 1.0)


@settings(max_examples=15)
@given(st.data())
def test_kl_flow_solves_the_replicator_equation(data):
    n = data.draw(st.integers(2, 4))
    log_ref, start = (data.draw(policies(n, spread=3.0)) for _ in range(2))
    reward, tau = data.draw(vectors(n, size=2.0)), data.draw(positive(-1, 0.3))
    end = gibbs.log_gibbs(log_ref, reward, tau)

    def field(_, log_pi):
        # The solver leaves the simplex by its own error; the field is defined on it.
        log_pi = simplex.log_normalize(log_pi)
        return flow.replicator(log_pi, gibbs.soft_advantage(log_pi, log_ref, reward, tau))

    times = np.array([0.1, 1.0, 3.0])
    solved = solve_ivp(field, (0, 3.0), start, "DOP853", times, rtol=1e-11, atol=1e-12).y.T
    np.testing.assert_allclose(flow.kl_flow(times, start, end, tau), solved, rtol=1e-7, atol=1e-8)


@given(st.data())
def test_kl_flow_is_a_group_and_a_straight_line(data):
    n = data.draw(st.integers(2, 5))
    start, end = (data.draw(policies(n)) for _ in range(2))
    tau, s, t = (data.draw(positive(-1, 0.5)) for _ in range(3))
    once = flow.kl_flow(s + t, start, end, tau)
    twice = flow.kl_flow(t, flow.kl_flow(s, start, end, tau), end, tau)
    np.testing.assert_allclose(twice, once, rtol=1e-12, atol=1e-13)
    # e-geodesic: log-ratios of two actions are the same mixture of the two ends.
    w = np.exp(-tau * s)
    middle = flow.kl_flow(s, start, end, tau)
    straight = w * np.diff(start) + (1 - w) * np.diff(end)
    np.testing.assert_allclose(np.diff(middle), straight, rtol=1e-12, atol=1e-12)
    # Relative entropy to the target never rises, in either order.
    assert simplex.kl(once, end) <= simplex.kl(middle, end) * (1 + 1e-12) + 1e-15
    assert simplex.kl(end, once) <= simplex.kl(end, middle) * (1 + 1e-12) + 1e-15


@given(st.data())
def test_the_free_energy_falls_at_the_rate_of_the_squared_advantage(data):
    log_ref, start = (data.draw(policies(n=4, spread=3.0)) for _ in range(2))
    reward, tau, h = data.draw(vectors(4, size=2.0)), data.draw(positive(-1, 0.3)), 1e-5
    end = gibbs.log_gibbs(log_ref, reward, tau)
    t = 0.3
    later, before = (
        gibbs.free_energy(flow.kl_flow(t + s * h, start, end, tau), log_ref, reward, tau)
        for s in (1, -1)
    )
    log_pi = flow.kl_flow(t, start, end, tau)
    advantage = gibbs.soft_advantage(log_pi, log_ref, reward, tau)
    speed = simplex.fisher_inner(advantage, advantage, log_pi)
    assert (later - before) / (2 * h) == pytest.approx(-speed, rel=1e-5, abs=1e-6)


@given(st.data())
def test_replicator(data):
    log_pi = data.draw(policies(holes=True))
    advantage = data.draw(vectors(log_pi.size))
    velocity = flow.replicator(log_pi, advantage)
    assert simplex.expect(log_pi, velocity) == pytest.approx(0.0, abs=1e-13)
    plain = advantage - np.exp(log_pi) @ advantage
    np.testing.assert_allclose(velocity, plain, rtol=1e-12, atol=1e-13)
    np.testing.assert_allclose(flow.replicator(log_pi, advantage + 1e6), velocity, atol=1e-9)


def flow_error(step, dt):
    """Distance from the flow at time 1 after 1/dt steps of a one-step method."""
    log_ref, reward, tau = np.log([0.2, 0.3, 0.5]), np.array([1.0, 0.0, -0.5]), 0.8
    start = np.log([0.1, 0.1, 0.8])
    end = gibbs.log_gibbs(log_ref, reward, tau)
    path = iterate(lambda x: step(x, log_ref, reward, tau, dt), start, round(1 / dt))
    return np.abs(path[-1] - flow.kl_flow(1.0, start, end, tau)).max()


def explicit(log_pi, log_ref, reward, tau, dt):
    return explicit_step(log_pi, gibbs.soft_advantage(log_pi, log_ref, reward, tau), dt)


def midpoint(log_pi, log_ref, reward, tau, dt):
    half = explicit(log_pi, log_ref, reward, tau, dt / 2)
    return explicit_step(log_pi, gibbs.soft_advantage(half, log_ref, reward, tau), dt)


@pytest.mark.parametrize(
    ("step", "order"), [(explicit, 1), (implicit_step, 1), (midpoint, 2)], ids=lambda x: str(x)[:20]
)
def test_order_of_convergence(step, order):
    # The proximal steps are Euler's methods in log-space: first order; one built on the midpoint
    # is of second order, so the measurement itself can tell.
    steps = np.array([1 / 40, 1 / 80, 1 / 160, 1 / 320])
    slope = np.polyfit(np.log(steps), np.log([flow_error(step, dt) for dt in steps]), 1)[0]
    assert slope == pytest.approx(order, abs=0.03)
