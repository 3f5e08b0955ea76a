"""From rows to a fit: what is fitted, and which law is asked for, recomputed from its parts."""

import numpy as np
import pytest
from diagnosed import BETAS, FEW, csv_of, gibbs, only, well_said

from klrl_lite.diagnose import BadInput, Options, Report, compare, diagnose, families, find_crossing
from klrl_lite.diagnose.core import _expected, _group_size
from klrl_lite.diagnose.runs import of_numbers
from klrl_lite.diagnose.settle import point_of
from klrl_lite.diagnose.write import arguments, trainer_state, write_run


@pytest.fixture
def scattered(tmp_path):
    """Three runs at each beta of two prompts, scattered by more than their answers allow."""
    rng = np.random.default_rng(0)
    rows = []
    for prompt, p in (("hard", 0.05), ("easy", 0.3)):
        for b in (0.5, *BETAS[:4], 1.5):
            for n in (200, 400, 300):
                P = rng.beta(60 * gibbs(b, p), 60 * (1 - gibbs(b, p)))
                rows.append((prompt, b, rng.binomial(n, P) / n, n))
    rows += [("hard", 0.01, 1.0, 300)] * 3  # nothing is learned from a beta where all are right
    return csv_of(tmp_path, "prompt,beta,success,n", rows), rows


def test_a_report_is_what_its_parts_say(scattered):
    file, rows = scattered
    report = diagnose([file], Options(seed=3, slack=0.2, **FEW))
    names = np.array([r[0] for r in rows])
    beta, success, n = np.array([r[1:] for r in rows]).T
    order = np.argsort(beta, kind="stable")
    names, beta, success, n = names[order], beta[order], success[order], n[order]
    assert [p.run.beta for p in report.points] == beta.tolist()
    assert report.used == report.points
    # Pearson's statistic over its degrees of freedom, from runs that should be the same.
    cells = [(names == a) & (beta == b) for a in ("easy", "hard") for b in np.unique(beta)]
    cells = [c for c in cells if c.any()]
    square = free = 0.0
    for c in cells:
        mean = np.average(success[c], weights=n[c])
        if 0 < mean < 1:
            square += np.sum(n[c] * (success[c] - mean) ** 2) / (mean * (1 - mean))
            free += c.sum() - 1
    assert report.dispersion == pytest.approx(square / free)
    assert report.dispersion > 2
    # Crossings: with answers divided by it. Then the slack bounds what runs at one beta tell.
    rng = np.random.default_rng(3)
    worth = n / report.dispersion
    assert list(report.crossings) == ["easy", "hard"]
    for name in ("easy", "hard"):
        mine = names == name
        same = find_crossing(beta[mine], success[mine], worth[mine], rng=rng)
        np.testing.assert_equal(report.crossings[name], same)
    sweep = report.sweep
    np.testing.assert_array_equal(sweep.beta, beta)
    np.testing.assert_array_equal(sweep.prompt, names == "hard")
    np.testing.assert_allclose(sweep.success, success)
    for c in cells:
        middle = (success[c] * worth[c] + 0.5) / (worth[c] + 1)
        spread = 1 / worth[c] + c.sum() * 0.2**2 * middle * (1 - middle)
        np.testing.assert_allclose(sweep.n[c], 1 / spread)
    assert (sweep.group, sweep.gap, sweep.ddof, sweep.p_ref) == (np.inf, 1.0, 0, None)
    again = compare(sweep, rng=rng, resamples=39)
    assert [(f.law, f.p_value) for f in report.fits] == [(f.law, f.p_value) for f in again]
    assert report.families == families(again, 0.05)
    assert report.logistic is None, "two prompts are not one curve"


def test_runs_that_scatter_less_than_answers_allow_are_not_worth_more(tmp_path):
    rows = [(b, gibbs(b), 300) for b in BETAS for _ in range(3)]
    report = diagnose([csv_of(tmp_path, "beta,success,n", rows)], Options(slack=0.0, **FEW))
    assert report.dispersion == 1.0
    np.testing.assert_allclose(report.sweep.n, 300)
    rows = [(b, gibbs(b), 300) for b in BETAS]
    assert diagnose([csv_of(tmp_path, "beta,success,n", rows)], Options(**FEW)).dispersion == 1.0


def test_with_one_replicate_in_the_sweep_dispersion_rests_on_it(tmp_path):
    rows = [(b, gibbs(b), 400) for b in BETAS] + [(0.5, gibbs(0.5) + 0.1, 400)]
    P = gibbs(0.5) + 0.05
    report = diagnose([csv_of(tmp_path, "beta,success,n", rows)], Options(**FEW))
    assert report.dispersion == pytest.approx(2 * 400 * 0.05**2 / (P * (1 - P)))


def test_answers_without_end_count_as_ten_million(tmp_path):
    file = csv_of(tmp_path, "beta,success,n", [(b, gibbs(b), 1e12) for b in BETAS[:2]])
    report = diagnose([file], Options(slack=0.0, **FEW))
    np.testing.assert_allclose(report.sweep.n, 1e7, rtol=1e-9)


def test_the_defaults_of_a_report(tmp_path):
    rows = [(b, gibbs(b), 4000) for b in BETAS]
    report = diagnose([csv_of(tmp_path, "beta,success,n", rows)])
    assert report.options == Options()
    assert report.answer == "law"
    assert report.families == ["Gibbs"]
    assert report.fits[0].p_ref[0] == pytest.approx(0.05, rel=0.03)
    # The smallest p-value that 399 drawn sweeps can give.
    assert min(f.p_value for f in report.fits) == 2 / 400


# --- options and settings ---


def test_settings_reach_the_fit(tmp_path):
    rows = [(b, gibbs(b, gap=2.0), 500) for b in 2 * BETAS]
    file = csv_of(tmp_path, "beta,success,n", rows)
    given = {"num_generations": "8", "ddof": "1"}
    sweep = diagnose([file], Options(settings=given, gap=2.0, p_ref=0.05, **FEW)).sweep
    assert (sweep.group, sweep.gap, sweep.ddof, sweep.p_ref) == (8.0, 2.0, 1, 0.05)


@pytest.mark.parametrize("runs", [1, 2])
def test_the_std_of_trl_has_bessels_correction(tmp_path, runs):
    for i in range(runs):
        state = trainer_state(np.full(40, 0.4), 64, rng=np.random.default_rng(i))
        write_run(tmp_path / f"r{i}", state, arguments(0.1 * (i + 1), 64))
    assert diagnose([tmp_path], Options(**FEW)).sweep.ddof == 1
    told = Options(settings={"ddof": "0"}, **FEW)
    assert diagnose([tmp_path], told).sweep.ddof == 0
    one = csv_of(tmp_path, "beta,success,n", [(0.2, 0.5, 500)])
    assert diagnose([one], Options(**FEW)).sweep.ddof == 0


def test_without_a_reward_the_gap_is_an_assumption(tmp_path):
    file = csv_of(tmp_path, "beta,success,n", [(b, gibbs(b), 500) for b in BETAS])
    message = only(
        diagnose([file], Options(**FEW)).messages, "the reward of a right answer is taken"
    )
    assert message.kind == "note"
    assert "--gap" in message.do
    assert "Laws with a std do not depend on it" in message.do
    told = diagnose([file], Options(gap=1.0, **FEW))
    assert not [m for m in told.messages if "taken to be" in m.what]


def test_one_prompt_is_an_assumption_unless_the_log_says(tmp_path):
    rows = [(b, gibbs(b), 500, "x", 0.3) for b in BETAS[:2]]
    for columns, said in (("other,more", True), ("prompt,more", False),
                          ("other,frac_reward_zero_std", False)):  # fmt: skip
        file = csv_of(tmp_path, f"beta,success,n,{columns}", rows)
        report = diagnose([file], Options(**FEW))
        found = [well_said(m) for m in report.messages if "one is assumed" in m.what]
        assert [m.kind for m in found] == ["note"] * said
        if said:
            assert "nothing in the log says whether it holds one prompt or several" in found[0].what
            assert "can look like another law" in found[0].do


def used(*groups):
    """A report on runs of these group sizes."""
    report = Report()
    for group in groups:
        run = of_numbers(0.1, [0.5])
        run.group = group
        report.used.append(point_of(run, 0.5))
    return report


def test_the_group_size():
    report = used(2.0, np.nan, 2.0)
    assert _group_size(report, report.messages) == 2.0
    assert report.messages == []
    report = used(16.0, 4.0, np.nan)
    assert _group_size(report, report.messages) == 4.0
    message = only(report.messages, "group sizes 4, 16 are mixed")
    assert (message.kind, message.do) == ("doubt", "Diagnose them apart.")
    assert _group_size(used(3.0), []) == 3.0
    report = used(np.nan)
    assert _group_size(report, report.messages) == np.inf
    message = only(report.messages, "the group size is not known")
    assert message.kind == "note"
    assert "--set num_generations=G" in message.do
    for size in (1.0, 2.5, 0.0):
        with pytest.raises(BadInput, match=f"a group size of {size:g}") as caught:
            _group_size(used(size), [])
        assert "2 or more" in well_said(caught.value.message).do


def runs_with(group, *settings):
    found = []
    for given in settings:
        run = of_numbers(0.1, [0.5])
        run.group, run.settings = group, given
        found.append(run)
    return found


@pytest.mark.parametrize("group", [np.nan, 8.0])
@pytest.mark.parametrize(
    ("scale", "corrected", "large", "small"),
    [
        ("group", True, "std", "std_group"),
        (True, "true", "std", "std_group"),
        ("GROUP", "True", "std", "std_group"),
        ("group", False, "k3_std", "k3_std"),
        ("true", "false", "k3_std", "k3_std"),
        ("none", True, "gibbs", "gibbs_mean"),
        (False, "True", "gibbs", "gibbs_mean"),
        ("none", "False", "k3", "k3_mean"),
        ("batch", True, "", ""),
        ("group", None, "", ""),
        (None, True, "", ""),
        ("group", "perhaps", "", ""),
    ],
)
def test_the_law_that_settings_ask_for(group, scale, corrected, large, small):
    given = {"scale_rewards": scale, "use_bias_correction_kl": corrected}
    given = {k: v for k, v in given.items() if v is not None}
    law = _expected(runs_with(group, given, dict(given)))
    assert law == (small if np.isfinite(group) else large)
    other = given | {"scale_rewards": "none" if scale == "group" else "group"}
    if scale not in (True, "GROUP", "true"):
        assert _expected(runs_with(group, given, other)) == ""


def test_settings_that_differ_ask_for_nothing():
    one = {"scale_rewards": "group", "use_bias_correction_kl": True}
    assert _expected(runs_with(8.0, one, one | {"use_bias_correction_kl": False})) == ""
    assert _expected(runs_with(8.0, one, one | {"scale_rewards": "true"})) == "std_group"
    none = one | {"scale_rewards": "none"}
    assert _expected(runs_with(8.0, none, one | {"scale_rewards": False})) == "gibbs_mean"
    assert (_expected(runs_with(8.0, one)), _expected(runs_with(8.0, none))) == (
        "std_group", "gibbs_mean")  # fmt: skip


# --- files ---


def test_files_that_cannot_be_used_are_left_out_if_others_can(tmp_path):
    good = csv_of(tmp_path, "beta,success,n", [(b, gibbs(b), 50) for b in BETAS], "good.csv")
    bad = csv_of(tmp_path, "beta,loss", [(0.1, 1)], "bad.csv")
    report = diagnose([bad, good], Options(**FEW))
    assert len(report.points) == 5
    (message,) = [m for m in report.messages if m.kind == "left out"]
    assert message.where == "bad.csv"
    assert "no column with a success rate" in message.what
    with pytest.raises(BadInput) as caught:
        diagnose([bad])
    assert caught.value.message == message._replace(kind="error")


def test_temperatures_alone_make_a_report_and_excuse_a_bad_file(tmp_path):
    rows = [(0.1, -1 + 2 * r, -1, r) for r in (0, 1)]
    good = csv_of(tmp_path, "beta,logp,ref_logp,reward", rows, "good.csv")
    bad = csv_of(tmp_path, "beta,loss", [(0.1, 1)], "bad.csv")
    report = diagnose([good, bad])
    assert [s.inverse_tau for s in report.slopes] == [2.0]
    assert (report.answer, report.points, [m.kind for m in report.messages]) == (
        "no data",
        [],
        ["left out"],
    )
    sweep = csv_of(tmp_path, "beta,success,n", [(b, gibbs(b), 50) for b in BETAS])
    both = diagnose([sweep, good], Options(**FEW))
    assert (len(both.slopes), len(both.points)) == (1, 5)


def test_several_files_make_one_report(tmp_path):
    sweeps = [csv_of(tmp_path, "beta,success,n", [(b, gibbs(b), 50)], f"{b}.csv") for b in BETAS]
    rows = [(0.1, -1 + 2 * r, -1, r) for r in (0, 1)]
    slopes = [csv_of(tmp_path, "beta,logp,ref_logp,reward", rows, f"s{i}.csv") for i in (1, 2)]
    report = diagnose([*sweeps, *slopes], Options(**FEW))
    assert [p.run.name for p in report.points] == [f"{b}.csv line 2" for b in BETAS]
    assert [s.run for s in report.slopes] == ["s1.csv", "s2.csv"]


def test_what_readers_remark_is_in_the_report(tmp_path):
    """Each of them has a remark about this file: the slopes, the runs, the units, the copies."""
    columns = "run,beta,step,success,n,reward,logp"
    rows = [(f"r{b}{copy}", b, t, 0.2 + b + 0.01 * (t % 3), 64, 0.4 + 2 * b + 0.02 * (t % 3), 0)
            for b in (0.2, 0.5) for copy in ("", "-again")
            for t in (*range(1, 41), 40)]  # fmt: skip
    report = diagnose([csv_of(tmp_path, columns, rows)], Options(**FEW))
    for said in ("no effective temperature: ref_logp missing", "1 doubled entries of run 'r0.2' ",
                 "reward rises by 2 ", "'r0.5-again' repeats 'r0.5'"):  # fmt: skip
        only(report.messages, said)
    assert report.sweep.gap == 2.0
    assert len(report.points) == 2


def test_rates_without_numbers_of_answers_are_left_out(tmp_path):
    rows = [("x", 0.1, 0.9, ""), ("y", 0.2, 0.5, 500), ("z", 0.4, 0.1, "inf")]
    report = diagnose([csv_of(tmp_path, "run,beta,success,n", rows)], Options(**FEW))
    assert [p.run.name for p in report.used] == ["y"]
    message = only(report.messages, "how many answers stand behind")
    assert (message.kind, message.where) == ("left out", "x, z")
    assert "--samples N" in message.do
    assert "--map n=COLUMN" in message.do
    report = diagnose([csv_of(tmp_path, "run,beta,success", [r[:3] for r in rows])])
    assert (report.answer, report.used, report.sweep) == ("no data", [], None)
    assert len(report.points) == 3


def test_runs_that_move_or_found_nothing_are_not_used(tmp_path):
    rows = [(f"r{b}", b, t, gibbs(b), 64) for b in BETAS for t in range(40)]
    rows += [("moves", 0.3, t, 0.2 + t / 100, 64) for t in range(40)]
    rows += [("nothing", 0.9, t, 0.0, 64) for t in range(40)]
    report = diagnose([csv_of(tmp_path, "run,beta,step,success,n", rows)], Options(**FEW))
    assert len(report.points) == 7
    assert [p.run.name for p in report.used] == [f"r{b}" for b in BETAS]
    assert report.sweep.beta.tolist() == BETAS.tolist()
    whole = diagnose([csv_of(tmp_path, "run,beta,step,success,n", rows)], Options(tail=1.0, **FEW))
    assert [p.drawn for p in whole.points] == [40 * 64.0] * 7
