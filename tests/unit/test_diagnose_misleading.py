"""Sweeps of the book's own GRPO: named where they have settled, questioned where they mislead."""

import json
import re

import numpy as np
import pytest

from klrl_lite.diagnose import Options, as_json, as_text, diagnose
from klrl_lite.diagnose.live import Training, train
from klrl_lite.diagnose.page import as_html

BETAS = np.array([0.15, 0.2, 0.25, 0.32, 0.4, 0.5, 0.7, 1.0])
MEAN = Training(std=False, n_steps=400, rate=0.5)


def sweep(folder, how, p_ref=0.05, betas=BETAS, seed=0, **options):
    train(folder / "runs", betas, p_ref, how, rng=np.random.default_rng(seed))
    return diagnose([folder / "runs"], Options(resamples=199, **options))


def said(report):
    return " ".join(m.what for m in report.messages)


@pytest.mark.parametrize(
    ("how", "family", "expected"),
    [
        (MEAN, "Gibbs", "gibbs_mean"),
        (MEAN._replace(corrected=False), "literal k3", "k3_mean"),
        (Training(n_steps=500), "Gibbs at beta sigma", "std_group"),
        (Training(corrected=False), "literal k3 with std", "k3_std"),
    ],
)
def test_settled_runs_are_named(tmp_path, how, family, expected):
    report = sweep(tmp_path, how)
    assert report.families == [family]
    assert report.answer == "law"
    assert report.expected == expected
    p = next(f for f in report.fits if f.law == expected).p_ref[0]
    assert p == pytest.approx(0.05, rel=0.15)


@pytest.mark.parametrize("how", [Training(n_steps=60, rate=0.1, every=2),
                                 MEAN._replace(n_steps=60, rate=0.3, every=2)])  # fmt: skip
def test_unconverged_runs_are_not_judged(tmp_path, how):
    report = sweep(tmp_path, how)
    assert report.answer in ("withheld", "no data")
    assert "still move" in said(report)


@pytest.mark.slow
def test_however_long_runs_are_no_wrong_law_is_named(tmp_path):
    families = {(True, True): "Gibbs at beta sigma", (False, True): "Gibbs",
                (False, False): "literal k3", (True, False): "literal k3 with std"}  # fmt: skip
    for i, steps in enumerate((30, 60, 120, 240)):
        for (std, corrected), family in families.items():
            how = Training(std, corrected, n_steps=steps, every=max(1, steps // 60),
                           rate=0.2 if std else 0.5)  # fmt: skip
            report = sweep(tmp_path / f"{i}{std}{corrected}", how, seed=i)
            assert report.answer != "law" or report.families == [family]


def test_runs_that_found_nothing_are_left_out(tmp_path):
    report = sweep(tmp_path, Training(n_steps=100), 2e-6)
    assert report.answer == "no data"
    assert not report.used
    assert "discovery limits them" in said(report)


def test_mixed_prompts_withhold_the_answer(tmp_path):
    report = sweep(tmp_path, MEAN, [0.3, 0.001])
    assert report.answer == "withheld"
    assert "prompts of different difficulty" in said(report)


def test_without_a_column_that_says_so_one_prompt_is_an_assumption_that_is_named(tmp_path):
    train(tmp_path / "runs", BETAS, [0.3, 0.001], MEAN, rng=np.random.default_rng(0))
    for state in tmp_path.rglob("trainer_state.json"):
        whole = json.loads(state.read_text())
        for entry in whole["log_history"]:
            del entry["frac_reward_zero_std"]
        state.write_text(json.dumps(whole))
    report = diagnose([tmp_path / "runs"])
    assert "one is assumed" in said(report)
    assert report.answer != "law"


def test_a_rescaled_reward_is_measured(tmp_path):
    how = MEAN._replace(gap=10.0, rate=0.05)
    report = sweep(tmp_path, how, betas=10 * BETAS)
    assert report.families == ["Gibbs"]
    assert report.sweep.gap == 10.0
    assert "success is reward/10" in said(report)


def test_a_rescaled_reward_that_was_not_told_is_no_other_law(tmp_path):
    # Success rates of such runs, without their rewards: gap 1 is assumed.
    train(tmp_path / "runs", 3 * BETAS, 0.05, MEAN._replace(gap=3.0, rate=0.16),
          rng=np.random.default_rng(0))  # fmt: skip
    lines = ["run,beta,step,success,n,num_generations"]
    for state in sorted(tmp_path.rglob("trainer_state.json")):
        run = state.parent.parent.name
        beta = run.split("-")[1]
        log = json.loads(state.read_text())["log_history"]
        lines += [f"{run},{beta},{e['step']},{e['reward'] / 3},320,16" for e in log]
    file = tmp_path / "sweep.csv"
    file.write_text("\n".join(lines))
    report = diagnose([file])
    assert report.answer == "none"
    assert "taken to be 1" in said(report)
    assert "would need a gap of" in said(report)
    told = diagnose([file], Options(gap=3.0))
    assert told.families == ["Gibbs"]


def test_partial_credit_is_no_binary_reward(tmp_path):
    train(tmp_path / "runs", BETAS, 0.05, MEAN, rng=np.random.default_rng(0))
    for state in tmp_path.rglob("trainer_state.json"):
        whole = json.loads(state.read_text())
        for e in whole["log_history"]:
            P = e["reward"]
            half = 0.5 * (1 - P)  # half of the wrong answers get half the reward
            e["reward"] = P + 0.5 * half
            e["reward_std"] = np.sqrt(P + 0.25 * half - e["reward"] ** 2)
        state.write_text(json.dumps(whole))
    report = diagnose([tmp_path / "runs"])
    assert report.answer != "law"
    assert "do not fit two levels" in said(report)


@pytest.mark.parametrize(("betas", "state"), [(BETAS[5:], "below"), (BETAS[:3], "above")])
def test_all_runs_on_one_side(tmp_path, betas, state):
    report = sweep(tmp_path, MEAN, betas=betas)
    assert report.crossings[""].state == state
    assert "no crossing" in as_text(report)


def test_a_support_that_is_not_where_the_runs_began_is_a_doubt(tmp_path):
    train(tmp_path / "runs", BETAS, 0.05, MEAN, rng=np.random.default_rng(0))
    for state in tmp_path.rglob("trainer_state.json"):
        whole = json.loads(state.read_text())
        whole["log_history"] = whole["log_history"][40:]
        state.write_text(json.dumps(whole))
    report = diagnose([tmp_path / "runs"])
    assert report.families == ["Gibbs"]
    assert report.answer == "withheld"
    assert "the runs began at a success of" in said(report)


def test_a_copied_run_counts_once(tmp_path):
    import shutil

    train(tmp_path / "runs", [0.2, 0.4], 0.05, MEAN._replace(n_steps=100),
          rng=np.random.default_rng(0))  # fmt: skip
    shutil.copytree(tmp_path / "runs" / "beta-0.2-seed-0", tmp_path / "runs" / "again")
    report = diagnose([tmp_path / "runs"])
    assert len(report.points) == 4
    assert "entry for entry" in said(report)


def test_the_report_asks_no_host_for_anything(tmp_path):
    report = sweep(tmp_path, MEAN)
    page = as_html(report)
    assert not re.search(r"https?:|//[a-z]|<script|<link|@import|url\((?!#)", page)
    ids = re.findall(r'\bid="([^"]+)"', page)
    assert len(ids) == len(set(ids))
    for target in re.findall(r'href="#([^"]+)"|url\(#([^)]+)\)', page):
        assert max(target) in ids
    figures = re.findall(r'<svg role="img" aria-label="([^"]{30,})"', page)
    assert len(figures) == page.count("<svg") == 2
    assert "One law fits" in figures[0]
    assert "prefers-color-scheme: dark" in page
    assert as_html(report) == page, "the same report gives the same page"


def test_names_are_text_in_the_page(tmp_path):
    train(tmp_path / "<b>&runs", [0.2, 0.4], 0.05, MEAN._replace(n_steps=100),
          rng=np.random.default_rng(0))  # fmt: skip
    for folder in list((tmp_path / "<b>&runs").iterdir()):
        folder.rename(folder.with_name("<script>" + folder.name))
    page = as_html(diagnose([tmp_path / "<b>&runs"]))
    assert "<script" not in page
    assert "&lt;script&gt;" in page


def test_json_is_plain(tmp_path):
    report = sweep(tmp_path, MEAN)
    table = json.loads(json.dumps(as_json(report), allow_nan=False))
    assert table["answer"] == "law"
    assert [law["left"] for law in table["laws"]].count(True) >= 1
    assert len(table["runs"]) == 16
    assert str(tmp_path) not in json.dumps(table), "no path of this machine"


def test_without_matplotlib_the_page_says_so(tmp_path, monkeypatch):
    report = sweep(tmp_path, MEAN._replace(n_steps=60), betas=BETAS[:2])
    import sys

    monkeypatch.setitem(sys.modules, "klrl_lite.plots", None)
    assert "matplotlib is not installed" in as_html(report)
