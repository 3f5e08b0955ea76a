"""What a report answers, and what it says beside the answer: names and numbers, recomputed."""

import re

import numpy as np
import pytest
from diagnosed import BETAS, FEW, csv_of, gibbs, only, well_said
from scipy.optimize import minimize
from scipy.special import expit, logit

from klrl_lite.diagnose import Options, diagnose
from klrl_lite.diagnose.doubts import beginning
from klrl_lite.diagnose.laws import BY_NAME
from klrl_lite.diagnose.settle import SATURATED

OWN = "beta,success,n,scale_rewards,use_bias_correction_kl"


def test_a_law_that_the_settings_ask_for_and_that_is_left_out_is_named(tmp_path):
    rows = [(b, gibbs(b), 4000, "none", "false") for b in BETAS]
    report = diagnose([csv_of(tmp_path, OWN, rows)], Options(**FEW))
    assert (report.answer, report.families, report.expected) == ("law", ["Gibbs"], "k3")
    message = only(report.messages, "the settings ask for")
    assert message.kind == "note"
    assert repr(BY_NAME["k3"].text) in message.what
    assert "or the run is not at equilibrium" in message.do
    rows = [(b, gibbs(b), 4000, "none", "true") for b in BETAS]
    report = diagnose([csv_of(tmp_path, OWN, rows)], Options(**FEW))
    assert report.expected == "gibbs"
    assert not [m for m in report.messages if re.search("settings ask|furthest", m.what)]


def test_with_two_families_left_the_data_cannot_tell(tmp_path):
    rows = [(b, gibbs(b), 30, "none", "true") for b in (0.32, 0.5)]
    report = diagnose([csv_of(tmp_path, OWN, rows)], Options(**FEW))
    assert report.answer == "cannot tell"
    assert len(report.families) > 1
    assert not [m for m in report.messages if "settings ask" in m.what]


def test_when_no_law_fits_the_points_that_are_far_off_are_named(tmp_path):
    """A step is no law: the report says where it hurts, in standard errors."""
    success = [0.999, 0.6, 0.58, 0.55, 0.2]
    rows = [(f"run{i}", b, y, 4000, "none", "false")
            for i, (b, y) in enumerate(zip(BETAS, success, strict=True))]  # fmt: skip
    report = diagnose([csv_of(tmp_path, "run," + OWN, rows)], Options(**FEW))
    assert (report.answer, report.families) == ("none", [])
    best, sweep = report.fits[0], report.sweep
    P, y = best.predicted, np.minimum(success, SATURATED)
    off = (y - P) * np.sqrt(sweep.n / (P * (1 - P)))
    message = only(report.messages, "furthest from")
    assert message.kind == "note"
    assert repr(BY_NAME[best.law].text) in message.what
    assert message.do == "Runs that are slow to settle stay on the side from which they come."
    said = re.findall(r"(run\d) \(([-+][\d.]+) errors\)", message.what)
    far = np.argsort(-np.abs(off))[:3]
    assert [name for name, _ in said] == [f"run{i}" for i in far]
    np.testing.assert_allclose([float(x) for _, x in said], off[far], atol=0.051)
    assert not [m for m in report.messages if "settings ask" in m.what], "no law is left at all"


@pytest.fixture
def tripled(tmp_path):
    """A sweep at three times the betas, as a gap of three makes it."""
    rows = [(b, y, 4000) for b, y in zip(3 * BETAS, gibbs(BETAS, 0.02), strict=True)]
    return csv_of(tmp_path, "beta,success,n", rows)


def test_a_logistic_curve_says_which_gap_would_do(tripled):
    report = diagnose([tripled], Options(slack=0.02, **FEW))
    assert report.answer == "none"
    sweep = report.sweep

    def loss(x):
        z = x[0] / sweep.beta - x[1]
        return np.sum(sweep.n * (np.logaddexp(0, z) - sweep.success * z))

    scale, price = minimize(loss, [1.0, 1.0], tol=1e-12).x
    assert report.logistic == pytest.approx((scale, expit(-price)), rel=1e-3)
    assert report.logistic == pytest.approx((3.0, 0.02), rel=0.03)
    message = only(report.messages, "a logistic curve in 1/beta")
    gap, assumed, p = re.findall(r"gap of ([\d.]+) where ([\d.]+) was assumed, and a support of "
                                 r"([\d.]+)\.", message.what)[0]  # fmt: skip
    assert float(gap) == pytest.approx(scale, rel=0.005)
    assert (assumed, float(p)) == ("1", pytest.approx(0.02, rel=0.05))
    assert "give --gap" in message.do
    told = diagnose([tripled], Options(gap=3.0, **FEW))
    assert (told.answer, told.families) == ("law", ["Gibbs"])
    assert not [m for m in told.messages if "logistic" in m.what]


def test_the_logistic_curve_weighs_runs_by_their_answers(tmp_path):
    rows = [(0.2, 0.8, 100), (0.3, 0.6, 10), (0.4, 0.3, 4000), (0.8, 0.2, 200)]
    report = diagnose([csv_of(tmp_path, "beta,success,n", rows)], Options(**FEW))
    beta, success, n = report.sweep.beta, report.sweep.success, report.sweep.n

    def loss(x):
        z = x[0] / beta - x[1]
        return np.sum(n * (np.logaddexp(0, z) - success * z))

    scale, price = minimize(loss, [1.0, 1.0], tol=1e-12).x
    assert report.logistic == pytest.approx((scale, expit(-price)), rel=1e-3)
    assert scale < 1.0


def test_two_points_have_a_logistic_curve(tmp_path):
    file = csv_of(tmp_path, "beta,success,n", [(0.2, 0.8, 500), (0.4, 0.3, 500)])
    gap = (logit(0.8) - logit(0.3)) / (1 / 0.2 - 1 / 0.4)
    p = expit(logit(0.8) - gap / 0.2)
    assert diagnose([file], Options(**FEW)).logistic == pytest.approx((gap, p), rel=1e-3)


@pytest.mark.parametrize("success", [[0.2, 0.5, 0.8], [0.5, 0.5, 0.5]])
def test_a_curve_that_does_not_fall_has_no_logistic_gap(tmp_path, success):
    rows = [(b, y, 500) for b, y in zip(BETAS, success, strict=False)]
    assert diagnose([csv_of(tmp_path, "beta,success,n", rows)], Options(**FEW)).logistic is None
    one = csv_of(tmp_path, "beta,success,n", [(0.2, 0.5, 500)] * 3)
    assert diagnose([one], Options(**FEW)).logistic is None


def logs(folder, first, p=0.05, runs=1, n=64):
    """Runs of 40 entries that stand at their equilibrium from the second one on."""
    rows = [(f"r{b}-{k}", b, t, first if t == 1 else gibbs(b, p), n)
            for b in BETAS for k in range(runs) for t in range(1, 41)]  # fmt: skip
    return csv_of(folder, "run,beta,step,success,n", rows)


def test_a_support_far_from_the_beginning_is_a_doubt(tmp_path):
    """Far: outside the interval of the first entries, and a factor of 1.5 more."""
    p = diagnose([logs(tmp_path, 0.05)], Options(**FEW)).fits[0].p_ref[0]
    answers = 64 * len(BETAS)

    def beyond(rate, side):
        return rate + side * 4 * np.sqrt(rate * (1 - rate) / answers)

    rates = np.linspace(1e-3, 0.4, 20001)
    high = rates[np.argmin(np.abs(beyond(rates, -1) / 1.5 - p))]  # the support is just inside
    low = rates[np.argmin(np.abs(beyond(rates, 1) * 1.5 - p))]
    for rate, fine in ((0.05, True), (high - 0.002, True), (high + 0.002, False),
                       (low + 1e-3, True), (max(low - 1e-3, 0.0), False)):  # fmt: skip
        file = logs(tmp_path, rate)
        report = diagnose([file], Options(**FEW))
        assert report.families == ["Gibbs"]
        found = [m for m in report.messages if "the runs began at" in m.what]
        assert report.answer == ("law" if fine else "withheld")
        assert [m.kind for m in found] == ([] if fine else ["doubt"])
        if not fine and rate > p:
            message = well_said(found[0])
            said = r"success of ([\d.]+), but the best law needs a support of ([\d.]+):"
            began, needs = map(float, re.findall(said, message.what)[0])
            assert began == pytest.approx(beginning(report.used)[0], rel=0.05)
            assert needs == pytest.approx(p, rel=0.05)
            assert "--p-ref" in message.do
            told = diagnose([file], Options(p_ref=0.05, **FEW))
            assert told.answer == "law"
            message = only(told.messages, "not at the support that was given")
            assert message.kind == "note"
            assert f"began at a success of {began:.2g}" in message.what
            assert "several updates" in message.do


def test_the_beginning_speaks_only_against_one_law_of_one_prompt(tmp_path):
    """The first entries are of many answers, and far above the support."""

    def logged(betas, n, prompt="", p=0.05):
        steps = [(t, gibbs, n) if t > 1 else (t, lambda b, p: 0.4, 9000) for t in range(1, 41)]
        return [
            (f"{prompt}{b}", prompt, b, t, P(b, p), size) for b in betas for t, P, size in steps
        ]

    columns = "run,prompt,beta,step,success,n"
    report = diagnose([csv_of(tmp_path, columns, logged((0.32, 0.5), 2))], Options(**FEW))
    assert report.answer == "cannot tell"
    assert "doubt" not in [m.kind for m in report.messages]
    rows = logged(BETAS, 64, "x") + logged(BETAS, 64, "y", 0.1)
    report = diagnose([csv_of(tmp_path, columns, rows)], Options(**FEW))
    assert (report.answer, len(report.fits[0].p_ref)) == ("law", 2)
    assert "doubt" not in [m.kind for m in report.messages]
    alone = diagnose([csv_of(tmp_path, columns, logged(BETAS, 64))], Options(**FEW))
    assert alone.answer == "withheld"
