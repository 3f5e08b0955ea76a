"""Laws, fits, intervals and the drift test of `klrl_lite.diagnose`, where the answer is known."""

import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from scipy.special import expit, logit

from klrl_lite import diagnose, diagnostics, equilibria
from klrl_lite.diagnose import Sweep, compare, curves, expected_lead, families
from klrl_lite.diagnose.crossing import falling
from klrl_lite.diagnose.laws import BY_NAME, LAPSE, names_for
from klrl_lite.diagnose.settle import common_drift, drift, point_of
from klrl_lite.diagnose.slope import regress
from klrl_lite.simplex import log_normalize

BETAS = (0.18, 0.25, 0.3, 0.4, 0.6, 1.0)
P_REF = 0.02
PRICE = float(-logit(P_REF))
MANY = [0.12, 0.16, 0.2, 0.25, 0.32, 0.4, 0.55, 0.8]


def known(law, group, beta):
    """The same curves from `equilibria`, which solves each by a method of its own."""
    cut = 1 - 1 / group
    match law:
        case "gibbs":
            return equilibria.k2_fixed_point(P_REF, beta)
        case "gibbs_mean":
            return equilibria.k2_fixed_point(P_REF, beta, cut)
        case "k3":
            return equilibria.k3_fixed_point(P_REF, beta)
        case "k3_mean":
            return equilibria.k3_fixed_point(P_REF, beta, cut)
        case "k3_std":
            return equilibria.k3_std_fixed_point(P_REF, beta, group)
        case _:
            size = np.inf if law == "std" else group
            found, stable = equilibria.grpo_equilibria(P_REF, beta, size)
            return np.append(found[stable], 1.0)[0]


@pytest.mark.parametrize("group", [np.inf, 3.0, 16.0])
@pytest.mark.parametrize("law", BY_NAME)
def test_curves_are_those_of_equilibria(law, group):
    if law not in names_for(group):
        return
    found = curves(law, BETAS, group, 1.0, 0, (PRICE,))[0, 0]
    exact = np.array([known(law, group, b) for b in BETAS])
    np.testing.assert_allclose(found, LAPSE + (1 - 2 * LAPSE) * exact, atol=3e-4)


def test_both_equilibria_of_large_groups_are_there():
    low, high = curves("std_group", (0.3,), 16.0, 1.0, 0, (float(-logit(1e-3)),))[:, 0, 0]
    found, stable = equilibria.grpo_equilibria(1e-3, 0.3, 16)
    np.testing.assert_allclose([low, high], found[stable], atol=3e-4)


def test_bessels_correction_and_the_gap_move_what_they_should():
    def at(law, gap=1.0, ddof=0, beta=0.5):
        return curves(law, (beta,), 8.0, gap, ddof, (PRICE,))[0, 0, 0]

    root = np.sqrt(7 / 8)
    for law in ("std_group", "k3_std"):
        assert abs(at(law, ddof=1) - at(law, beta=0.5 / root)) < 3e-4
        assert at(law, gap=10.0) == at(law)
    for law in ("gibbs", "gibbs_mean", "k3", "k3_mean"):
        assert abs(at(law, gap=10.0, beta=5.0) - at(law)) < 1e-9
        assert at(law, ddof=1) == at(law)


def draw(law, n, rng, *, group=np.inf, betas=MANY, seeds=2, rho=0.0):
    beta = np.repeat(betas, seeds)
    P = np.repeat(curves(law, tuple(betas), group, 1.0, 0, (PRICE,))[0, 0], seeds)
    if rho:  # runs differ by more than their answers allow
        spread = (1 - rho) / rho
        P = rng.beta(P * spread, (1 - P) * spread)
    return Sweep(beta, rng.binomial(n, P) / n, np.full(beta.shape, float(n)),
                 np.zeros(beta.shape, int), group)  # fmt: skip


@pytest.mark.parametrize("n", [30, 300, 3000])
@pytest.mark.parametrize("group", [np.inf, 16.0])
def test_the_right_law_or_cannot_tell(n, group):
    # Of 20 sweeps for each law, a true one is left out at most 1 in 20 times; 4 in all for six
    # laws would be 3.3 %, 14 would be more than four standard errors too many.
    wrong = out = told = 0
    for law in names_for(group):
        for seed in range(20):
            rng = np.random.default_rng([seed, n])
            fits = compare(draw(law, n, rng, group=group), rng=rng, resamples=99)
            left = families(fits, 0.05)
            out += law not in [f.law for f in fits if f.p_value > 0.05]
            wrong += len(left) == 1 and left[0] != BY_NAME[law].family
            told += left == [BY_NAME[law].family]
    assert out <= 14
    assert wrong <= 2
    assert n < 300 or told > 15 * len(names_for(group))


def test_with_one_temperature_nothing_can_be_told():
    rng = np.random.default_rng(0)
    fits = compare(draw("std", 1000, rng, betas=[0.4]), rng=rng, resamples=99)
    assert len(families(fits, 0.05)) == 4


def test_a_known_support_tells_with_fewer_temperatures():
    rng = np.random.default_rng(0)
    sweep = draw("gibbs", 400, rng, betas=[0.3])
    free = families(compare(sweep, rng=rng, resamples=99), 0.05)
    fixed = families(compare(sweep._replace(p_ref=P_REF), rng=rng, resamples=99), 0.05)
    counted = families(compare(sweep._replace(p_ref=(400, 20000)), rng=rng, resamples=99), 0.05)
    assert len(free) > 1
    assert fixed == counted == ["Gibbs"]


def test_the_fit_is_the_maximum_of_the_likelihood():
    rng = np.random.default_rng(1)
    sweep = draw("k3", 500, rng)
    fit = {f.law: f for f in compare(sweep, rng=rng, resamples=99)}["k3"]

    def loss(x):
        P = LAPSE + (1 - 2 * LAPSE) * equilibria.k3_fixed_point(expit(-x), sweep.beta)
        y = sweep.success
        return -np.sum(sweep.n * (y * np.log(P / y) + (1 - y) * np.log((1 - P) / (1 - y))))

    found = minimize_scalar(loss, bounds=(1, 8), method="bounded")
    assert abs(fit.log_likelihood + found.fun) < 0.02
    assert abs(logit(fit.p_ref[0]) + found.x) < 0.01


def test_expected_lead_is_the_mean_of_the_observed_one():
    rng = np.random.default_rng(2)
    expected = expected_lead("gibbs", "std", np.array(MANY), P_REF, 400.0)
    leads = []
    for _ in range(40):
        fits = {f.law: f for f in compare(draw("gibbs", 200, rng), rng=rng, resamples=1)}
        leads.append(fits["gibbs"].log_likelihood - fits["std"].log_likelihood)
    error = np.std(leads) / np.sqrt(len(leads))
    assert abs(np.mean(leads) - expected) < 4 * error + 1.0


def brute_falling(curve, weight):
    """Pool adjacent violators, the textbook way."""
    blocks = [[y, w, 1] for y, w in zip(curve, weight, strict=True)]
    i = 0
    while i < len(blocks) - 1:
        if blocks[i][0] < blocks[i + 1][0]:
            (a, v, m), (b, w, k) = blocks[i : i + 2]
            blocks[i : i + 2] = [[(a * v + b * w) / (v + w), v + w, m + k]]
            i = max(i - 1, 0)
        else:
            i += 1
    return np.concatenate([[y] * m for y, _, m in blocks])


def test_falling_is_isotonic_regression():
    rng = np.random.default_rng(3)
    for _ in range(20):
        curve, weight = rng.random(7), rng.random(7) + 0.1
        np.testing.assert_allclose(falling(curve, weight), brute_falling(curve, weight))


@pytest.mark.parametrize("law", ["gibbs", "std", "k3"])
def test_intervals_of_the_crossing_cover(law):
    fine = np.geomspace(0.1, 1.2, 4000)
    curve = curves(law, tuple(fine.tolist()), np.inf, 1.0, 0, (PRICE,))[0, 0]
    truth = fine[np.argmax(curve < 0.5)]
    inside = bracketed = crosses = 0
    for seed in range(60):
        rng = np.random.default_rng([4, seed])
        sweep = draw(law, 200, rng)
        found = diagnose.find_crossing(sweep.beta, sweep.success, sweep.n, rng=rng, resamples=299)
        crosses += found.state == "crosses"
        inside += found.low <= truth <= found.high
        bracketed += found.bracket_low <= truth <= found.bracket_high
    assert crosses == 60
    assert bracketed >= 54
    # A jump is no smooth curve: only the bracket promises anything there.
    assert law == "std" or inside >= 54


@pytest.mark.parametrize(
    ("betas", "state"),
    [([0.12, 0.16, 0.2], "above"), ([0.5, 0.7, 0.9], "below"), ([0.2], "one temperature")],
)
def test_no_crossing_is_claimed_where_there_is_none(betas, state):
    rng = np.random.default_rng(5)
    sweep = draw("gibbs", 300, rng, betas=betas)
    assert diagnose.find_crossing(sweep.beta, sweep.success, sweep.n, rng=rng).state == state


def test_few_answers_leave_the_crossing_unclear():
    found = diagnose.find_crossing(
        np.array([0.1, 0.2]), np.array([0.6, 0.4]), np.full(2, 5.0), rng=np.random.default_rng(0)
    )
    assert found.state == "unclear"


def ar(rho, size, rng, sigma=0.05):
    x = np.zeros(size)
    for i in range(1, size):
        x[i] = rho * x[i - 1] + sigma * np.sqrt(1 - rho**2) * rng.normal()
    return 0.5 + x


@pytest.mark.parametrize(("rho", "most"), [(0.0, 15), (0.7, 25), (0.9, 45)])
def test_drift_test_keeps_its_level(rho, most):
    # 500 settled runs: 5 false alarms at 1 % if entries are independent, some more if correlated.
    rng = np.random.default_rng(6)
    alarms = sum(drift(ar(rho, 200, rng)[100:])[2] < 0.01 for _ in range(500))
    assert alarms <= most


def test_drift_test_sees_a_run_on_its_way():
    rng = np.random.default_rng(7)
    way = 0.3 * (1 - np.exp(-np.arange(100) / 60))
    seen = sum(drift(way[50:] + 0.05 * rng.normal(size=50))[2] < 0.01 for _ in range(50))
    assert seen > 15


def test_drifts_too_small_for_one_run_are_seen_together():
    from klrl_lite.diagnose.runs import of_numbers

    rng = np.random.default_rng(8)
    still, moving = ([], [])
    for _ in range(24):
        still.append(point_of(of_numbers(0.1, ar(0.3, 60, rng)), 0.5))
        moving.append(point_of(of_numbers(0.1, ar(0.3, 60, rng) + np.arange(60) / 800), 0.5))
    assert abs(common_drift(still)[1]) < 3
    nats, z = common_drift(moving)
    assert z > 3.5
    assert nats == pytest.approx(0.15, rel=0.5)


def test_slope_from_samples_is_the_effective_temperature():
    rng = np.random.default_rng(9)
    log_ref = log_normalize(rng.normal(size=9))
    reward = rng.random(9)
    log_pi = log_normalize(log_ref + 2.5 * reward + 0.3 * rng.normal(size=9))
    exact = diagnostics.effective_temperature(log_pi, log_ref, reward)
    y = rng.choice(9, size=40_000, p=np.exp(log_pi))
    slope, error, share, distance = regress((log_pi - log_ref)[y], reward[y], np.zeros(len(y)))
    assert abs(slope - exact.inverse_tau) < 4 * error
    assert share == pytest.approx(float(exact.r_squared), abs=0.02)
    off = diagnostics.off_curve(log_pi, log_ref, reward)
    assert distance == pytest.approx(float(off.distance), rel=0.15)


def test_slope_has_a_constant_for_each_prompt():
    rng = np.random.default_rng(10)
    reward, prompt = rng.integers(0, 2, 400), rng.integers(0, 5, 400)
    ratio = 3.0 * reward + 10.0 * prompt * (1 - 0.1 * prompt)
    assert regress(ratio, reward, prompt)[0] == pytest.approx(3.0)
    assert np.isnan(regress(ratio, np.ones(400), prompt)[0])
