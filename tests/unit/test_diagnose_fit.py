"""Likelihoods, p-values and curves of `klrl_lite.diagnose`, recomputed another way.

What is random is recorded as it is drawn; what a report makes of it is then computed by brute force
from the documentation.
"""

import numpy as np
import pytest
from diagnosed import Recorded
from scipy.optimize import brentq
from scipy.special import expit, logit, rel_entr

from klrl_lite.diagnose import Options, Sweep, compare, curves, expected_lead, families
from klrl_lite.diagnose.fit import LawFit
from klrl_lite.diagnose.laws import _LOG_ODDS, BY_NAME, LAPSE, PRICES, names_for
from klrl_lite.diagnose.settle import SATURATED


def distance(y, P):
    """KL between coins: what one answer costs a law in log-likelihood, against the best curve."""
    return rel_entr(y, P) + rel_entr(1 - y, 1 - P)


def brute(law, sweep, success, seen=None):
    """Log-likelihood less that of a curve through every point, its support, and the curve."""
    count = seen if seen is not None else sweep.p_ref[0] if isinstance(sweep.p_ref, tuple) else 0
    total, supports, P = 0.0, [], np.empty(len(success))
    for prompt in np.unique(sweep.prompt):
        mine = np.flatnonzero(sweep.prompt == prompt)
        exact = isinstance(sweep.p_ref, float)
        prices = np.array([-logit(sweep.p_ref)]) if exact else PRICES
        table = np.minimum(curves(law, tuple(sweep.beta[mine].tolist()), sweep.group, sweep.gap,
                                  sweep.ddof, tuple(prices.tolist())), SATURATED)  # fmt: skip
        off = distance(success[mine], table)  # (branches, prices, runs)
        value = -off.min(axis=0) @ sweep.n[mine]
        if isinstance(sweep.p_ref, tuple):
            right = np.broadcast_to(count, int(sweep.prompt.max()) + 1)[prompt]
            value -= sweep.p_ref[1] * distance(right / sweep.p_ref[1], expit(-prices))
        k = int(np.argmax(value))
        total += value[k]
        supports.append(expit(-prices[k]))
        P[mine] = table[np.argmin(off[:, k], axis=0), k, np.arange(len(mine))]
    return total, supports, P


def drawn_sweep(group, betas, supports, n, law="gibbs", seed=0, p_ref=None):
    """Sweep of prompts with these supports; run i has n + i answers."""
    rng = np.random.default_rng(seed)
    beta = np.tile(np.repeat(betas, 2), len(supports))
    prompt = np.repeat(np.arange(len(supports)), 2 * len(betas))
    P = np.concatenate([np.repeat(curves(law, tuple(betas), group, 1.0, 0, (-logit(p),))[0, 0], 2)
                        for p in supports])  # fmt: skip
    size = n + np.arange(len(beta))
    return Sweep(beta, rng.binomial(size, P) / size, size.astype(float), prompt, group, p_ref=p_ref)


SWEEPS = {
    "large groups": drawn_sweep(np.inf, [0.15, 0.2, 0.3], [0.02], 60),
    "so few that sweeps repeat": drawn_sweep(np.inf, [0.2, 0.3], [0.1], 1),
    "an answer is the least": drawn_sweep(np.inf, [0.15, 0.2, 0.3], [0.02], 6)._replace(
        n=np.array([0.2, 0.4, 3.6, 9.0, 2.4, 1.0])
    ),
    "two prompts": drawn_sweep(np.inf, [0.2, 0.4], [0.02, 0.3], 40),
    "two equilibria": drawn_sweep(16.0, [0.25, 0.3, 0.5], [1e-3], 200, "std_group"),
    "counted support": drawn_sweep(np.inf, [0.2, 0.4], [0.05, 0.05], 40, p_ref=(1, 20)),
    "known support": drawn_sweep(np.inf, [0.2, 0.4], [0.1], 40, "k3", p_ref=0.1),
    "near one": drawn_sweep(np.inf, [0.05, 0.1, 0.3], [0.1], 400),
}
# Runs of the same sweep at either of two equilibria.
TWO = SWEEPS["two equilibria"]._replace(success=np.array([0.01, 0.99, 0.02, 0.9, 0.01, 0.02]))
SWEEPS |= {"two equilibria": TWO, "two, at a known support": TWO._replace(p_ref=1e-3, ddof=1)}


@pytest.mark.parametrize("name", SWEEPS)
def test_fits_and_p_values_are_those_of_brute_force(name):
    sweep, laws = SWEEPS[name], ["gibbs", "std", "k3"]
    if np.isfinite(sweep.group):
        laws = ["gibbs", "std_group"]
    resamples = 19 if isinstance(sweep.p_ref, tuple) else 9
    rng = Recorded()
    fits = compare(sweep, rng=rng, resamples=resamples, laws=laws)
    assert [f.delta for f in fits] == sorted(f.delta for f in fits)
    assert sorted(f.law for f in fits) == sorted(laws)
    fits = {f.law: f for f in fits}
    y = np.minimum(sweep.success, SATURATED)
    seen = {law: brute(law, sweep, y) for law in laws}
    best = max(value for value, _, _ in seen.values())
    calls = iter(rng.calls)
    for law in laws:
        fit, (value, support, P) = fits[law], seen[law]
        assert fit.log_likelihood == pytest.approx(value, abs=1e-6)
        assert fit.delta == pytest.approx(best - value, abs=1e-6)
        np.testing.assert_allclose(fit.p_ref, support, rtol=1e-9)
        np.testing.assert_allclose(fit.predicted, P, rtol=1e-9)
        # Sweeps drawn from the law itself, each fitted anew.
        size, chance, right = next(calls)
        np.testing.assert_array_equal(size, np.maximum(1, np.round(sweep.n)))
        np.testing.assert_allclose(chance, P, rtol=1e-9)
        assert right.shape == (resamples, len(y))
        counts = [None] * resamples
        if isinstance(sweep.p_ref, tuple):
            out_of, chance, counts = next(calls)
            assert out_of == sweep.p_ref[1]
            np.testing.assert_allclose(chance, support, rtol=1e-9)
        lead, misfit = [], []
        for again, count in zip(right / size, counts, strict=True):
            again = np.minimum(again, SATURATED)
            values = {k: brute(k, sweep, again, count)[0] for k in laws}
            lead.append(max(v for k, v in values.items() if k != law) - values[law])
            misfit.append(-values[law])
        ahead = max(v for k, (v, _, _) in seen.items() if k != law) - value
        relative = (1 + np.sum(np.array(lead) >= ahead - 1e-9)) / (resamples + 1)
        absolute = (1 + np.sum(np.array(misfit) >= -value - 1e-9)) / (resamples + 1)
        assert fit.p_relative == pytest.approx(relative)
        assert fit.p_fit == pytest.approx(absolute)
        assert fit.p_value == pytest.approx(min(1.0, 2 * min(relative, absolute)))


def test_a_law_that_no_drawn_sweep_excuses_has_the_smallest_p_value():
    found = {f.law: f for f in compare(drawn_sweep(np.inf, [0.1, 0.2, 0.3, 0.5], [0.02], 4000),
                                       rng=np.random.default_rng(0), resamples=39)}  # fmt: skip
    assert found["std"].p_relative == found["std"].p_fit == 1 / 40
    assert found["std"].p_value == 2 / 40
    assert found["gibbs"].p_value > 0.05


def test_a_p_value_at_the_level_leaves_a_law_out():
    fit = LawFit("k3", 0.0, 0.0, [0.1], 0.05, 0.5, 0.05, np.zeros(1))
    assert families([fit], 0.05) == []
    assert families([fit], 0.049) == ["literal k3"]
    twice = [fit._replace(law="gibbs"), fit, fit._replace(law="gibbs_mean")]
    assert families(twice, 0.0) == ["Gibbs", "literal k3"]


def test_as_many_sweeps_are_drawn_as_the_options_say():
    rng = Recorded()
    compare(SWEEPS["large groups"], rng=rng, laws=["gibbs", "std"])
    assert rng.calls[0][2].shape == (Options().resamples, 6)


@pytest.mark.parametrize(
    ("law", "other", "p", "group", "gap", "n"),
    [
        ("gibbs", "std", 0.05, np.inf, 1.0, 200.0),
        ("gibbs", "k3", 0.05, np.inf, 2.0, np.array([10.0, 400.0, 30.0, 5.0])),
        ("std_group", "gibbs", 0.05, 8.0, 1.0, 50),
        ("gibbs_mean", "std_group", 0.05, 8.0, 1.0, 50),
        ("std_group", "gibbs", 1e-3, 16.0, 1.0, 50),  # two equilibria: the lower one
        ("gibbs", "gibbs", 0.05, np.inf, 1.0, 1e5),
    ],
)
def test_expected_lead_is_the_least_distance_of_the_other_law(law, other, p, group, gap, n):
    beta = np.array([0.15, 0.3, 0.4, 0.9])

    def at(name, prices):
        return np.minimum(curves(name, tuple(beta), group, gap, 0, tuple(prices)), SATURATED)

    (truth,) = at(law, [float(-logit(p))])[0]
    off = distance(truth, at(other, PRICES.tolist())).min(axis=0)
    lead = expected_lead(law, other, beta, p, n, group=group, gap=gap)
    assert lead == pytest.approx(np.min(np.sum(n * off, axis=-1)), rel=1e-6, abs=1e-9)
    assert lead >= 0.0
    if (group, gap) == (np.inf, 1.0):
        assert expected_lead(law, other, list(beta), p, n) == lead


def test_an_expected_lead_is_never_below_zero():
    for p in (0.02, 0.2, expit(-3.0)):
        assert expected_lead("gibbs", "gibbs", np.array([0.3, 0.7]), p, 50.0) >= 0.0


# --- curves ---


def test_small_groups_have_laws_of_their_own():
    assert names_for(np.inf) == ["gibbs", "std", "k3", "k3_std"]
    assert names_for(8.0) == list(BY_NAME)


def test_without_a_zero_success_runs_to_the_end_that_pulls():
    """Large groups and a small beta: success runs away to 1; the lapse is all that is left."""
    away = curves("std", (0.05,), np.inf, 1.0, 0, (3.0,))[:, 0, 0]
    none = curves("gibbs", (1.0,), np.inf, 1.0, 0, (20.0,))[:, 0, 0]
    np.testing.assert_allclose(away, LAPSE + (1 - 2 * LAPSE) * expit(_LOG_ODDS[-1]), rtol=1e-9)
    np.testing.assert_allclose(none, LAPSE + (1 - 2 * LAPSE) * expit(_LOG_ODDS[0]), rtol=1e-9)


@pytest.mark.parametrize(("beta", "price"), [(1.0, 2.025), (0.5, 3.9875), (2.0, -1.0)])
def test_zeros_between_two_points_of_the_table_are_interpolated(beta, price):
    """For Gibbs the total is a straight line, so its zero is exact wherever it falls."""
    found = curves("gibbs", (beta,), np.inf, 1.0, 0, (price,))[:, 0, 0]
    np.testing.assert_allclose(found, LAPSE + (1 - 2 * LAPSE) * expit(1 / beta - price), rtol=1e-12)


def test_zeros_at_a_point_of_the_table_are_found_there():
    prices = tuple((1.0 - _LOG_ODDS).tolist())
    found = curves("gibbs", (1.0,), np.inf, 1.0, 0, prices)[..., 0]
    np.testing.assert_allclose(found, np.tile(LAPSE + (1 - 2 * LAPSE) * expit(_LOG_ODDS), (2, 1)))


def test_one_table_holds_prices_with_and_without_a_zero():
    found = curves("gibbs", (1.0,), np.inf, 1.0, 0, (20.0, 3.0))[:, :, 0]
    np.testing.assert_allclose(
        found, [[LAPSE + (1 - 2 * LAPSE) * expit(x) for x in (-10.5, -2)]] * 2
    )


@pytest.mark.parametrize(("law", "p", "beta"), [("std", 0.05, 0.9), ("k3", 0.05, 0.4),
                                                ("k3_std", 0.05, 0.7)])  # fmt: skip
def test_where_there_is_one_equilibrium_it_is_the_lowest_and_the_highest(law, p, beta):
    def total(x):
        P = expit(x)
        force = 1.0 if law == "k3" else 1 / np.sqrt(P * (1 - P))
        return force - beta * (x - logit(p) if law == "std" else (P - p) / (P * (1 - P)))

    place = brentq(total, -10.0, 0.0 if law == "std" else 5.0)  # beyond, success runs away
    found = curves(law, (beta,), np.inf, 1.0, 0, (float(-logit(p)),))[:, 0, 0]
    np.testing.assert_allclose(found, LAPSE + (1 - 2 * LAPSE) * expit(place), rtol=1e-3)


def test_laws_for_groups_become_those_for_large_groups():
    for own, large in (("gibbs_mean", "gibbs"), ("std_group", "std"), ("k3_mean", "k3")):
        same = [curves(law, (0.6, 1.1), np.inf, 1.5, 1, (2.0,)) for law in (own, large)]
        np.testing.assert_array_equal(*same)
