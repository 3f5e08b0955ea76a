"""What `klrl_lite.diagnose` reads, and what it says about files that it cannot read."""

import contextlib
import json
import os
import subprocess
import sys

import numpy as np
import pytest

from klrl_lite.diagnose import BadInput, Options, diagnose
from klrl_lite.diagnose.cli import main
from klrl_lite.diagnose.write import arguments, trainer_state, write_run

#: An entry as TRL 1.16's GRPOTrainer writes it.
ENTRY = {
    "clip_ratio/high_max": 0.0, "clip_ratio/high_mean": 0.0, "clip_ratio/low_mean": 0.0,
    "clip_ratio/low_min": 0.0, "clip_ratio/region_mean": 0.0, "completions/clipped_ratio": 1.0,
    "completions/max_length": 1.0, "completions/max_terminated_length": 0.0,
    "completions/mean_length": 1.0, "completions/mean_terminated_length": 0.0,
    "completions/min_length": 1.0, "completions/min_terminated_length": 0.0, "entropy": 1.2,
    "epoch": 0.5, "frac_reward_zero_std": 0.1, "grad_norm": 0.3, "kl": 0.2, "learning_rate": 0.01,
    "loss": 0.02, "num_tokens": 1024.0, "reward": 0.25, "reward_std": 0.43,
    "rewards/is_right/mean": 0.25, "rewards/is_right/std": 0.43, "step": 10, "step_time": 0.1,
}  # fmt: skip


def state(n_entries=12, **changes):
    history = [ENTRY | {"step": 10 * (i + 1)} | changes for i in range(n_entries)]
    summary = {"step": 10 * n_entries, "train_runtime": 9.0, "train_loss": 0.1}
    evaluation = {"step": 10, "eval_reward": 0.3, "eval_loss": 0.1}
    return {"global_step": 10 * n_entries, "log_history": [*history, evaluation, summary]}


def test_entries_of_trl(tmp_path):
    given = arguments(0.1, 64, seed=3) | {"steps_per_generation": 2, "num_iterations": 2,
                                          "gradient_accumulation_steps": 2}  # fmt: skip
    write_run(tmp_path / "run", state(), given)
    run = diagnose([tmp_path / "run"]).points[0].run
    assert run.beta == 0.1
    assert run.group == 16
    assert run.step.tolist() == list(range(10, 130, 10))
    assert run.success.tolist() == [0.25] * 12
    # 64 answers are drawn for 2 micro-batches, used twice; a step takes 2 micro-batches.
    assert run.n.tolist() == [320.0] * 12
    assert run.settings["scale_rewards"] == "group"
    assert run.where[0] == "run, entry 1 of log_history"


def test_the_newest_whole_checkpoint_is_read(tmp_path):
    write_run(tmp_path / "run", state(6), arguments(0.1, 64))
    write_run(tmp_path / "run", state(12), arguments(0.1, 64))
    assert len(diagnose([tmp_path]).points[0].run.step) == 12
    newest = tmp_path / "run" / "checkpoint-120" / "trainer_state.json"
    newest.write_text(newest.read_text()[:900])
    report = diagnose([tmp_path])
    assert len(report.points[0].run.step) == 6
    (message,) = [m for m in report.messages if "cut off" in m.what]
    assert message.where.startswith("run/checkpoint-120/trainer_state.json, line 1, column ")
    assert "checkpoint-60" in message.do


def test_a_pickle_is_never_opened(tmp_path):
    write_run(tmp_path / "run", state(), {})
    (tmp_path / "run" / "training_args.json").unlink()
    (tmp_path / "run" / "training_args.bin").write_bytes(b"cos\nsystem\n(S'false'\ntR.")
    report = diagnose([tmp_path], Options(settings={"beta": "0.1"}, samples=64))
    assert any("pickle" in m.what for m in report.messages)


def test_settings_from_the_path(tmp_path):
    for beta in ("0.1", "2e-1"):
        write_run(tmp_path / f"b{beta}_s1", state(), {})
    options = Options(from_path=r"b(?P<beta>[0-9.e-]+)_s(?P<seed>\d)", samples=64)
    assert [p.run.beta for p in diagnose([tmp_path], options).points] == [0.1, 0.2]


def csv(tmp_path, text, name="sweep.csv"):
    file = tmp_path / name
    file.write_text(text)
    return file


FLAT = "run,beta,step,success,n\n" + "".join(
    f"r{b},{b},{t},{0.5 + 0.01 * ((3 * t) % 7 - 3)},64\n" for b in (0.1, 0.2) for t in range(1, 21)
)


def test_columns_by_map_and_nested_keys(tmp_path):
    rows = [{"cfg": {"beta": b}, "eval/acc": 40.0 + t % 3, "_step": t, "id": f"r{b}"}
            for b in (0.1, 0.2) for t in range(20)]  # fmt: skip
    file = csv(tmp_path, "\n".join(map(json.dumps, rows)), "log.jsonl")
    columns = {"success": "eval/acc", "beta": "cfg.beta", "run": "id"}
    report = diagnose([file], Options(columns, percent=True, samples=100))
    assert [p.run.beta for p in report.points] == [0.1, 0.2]
    assert report.points[0].success == pytest.approx(0.41, abs=0.005)
    assert report.points[0].drawn == 1000


def test_one_row_per_run(tmp_path):
    file = csv(tmp_path, "beta,success,n\n0.1,0.9,500\n0.2,0.5,500\n0.2,0.52,500\n0.4,0.1,500\n")
    report = diagnose([file])
    assert len(report.points) == 4
    assert report.crossings[""].state == "crosses"
    assert "was not tested" in " ".join(m.what for m in report.messages)


def test_without_numbers_of_answers_the_scatter_counts(tmp_path):
    rng = np.random.default_rng(0)
    rows = ["run,beta,step,success"]
    rows += [f"r{b},{b},{t},{rng.binomial(100, 0.5) / 100}" for b in (1, 2) for t in range(400)]
    report = diagnose([csv(tmp_path, "\n".join(rows))])
    for point in report.points:
        assert 5_000 < point.n < 80_000  # 200 entries of 100 answers; ten blocks tell no better


def test_prompts_have_supports_of_their_own(tmp_path):
    rows = ["prompt,beta,success,n"]
    for prompt, price in (("easy", 1.0), ("hard", 5.0)):
        rows += [f"{prompt},{b},{1 / (1 + np.exp(price - 1 / b))},2000"
                 for b in (0.15, 0.2, 0.3, 0.5, 0.8, 1.2, 2.0)]  # fmt: skip
    report = diagnose([csv(tmp_path, "\n".join(rows))])
    assert report.families == ["Gibbs"]
    assert set(report.crossings) == {"easy", "hard"}
    np.testing.assert_allclose(
        report.fits[0].p_ref, [1 / (1 + np.e), 1 / (1 + np.exp(5))], rtol=0.02
    )


def test_answers_with_log_probabilities(tmp_path):
    rng = np.random.default_rng(0)
    rows = []
    for i in range(400):
        right = int(rng.integers(0, 2))
        rows.append({"beta": 0.5, "prompt": i % 4, "reward": right, "ref_logp": -9.0,
                     "logp": -9.0 + 2.0 * right + i % 4 + 0.1 * rng.normal()})  # fmt: skip
    file = csv(tmp_path, "\n".join(map(json.dumps, rows)), "answers.jsonl")
    (slope,) = diagnose([file]).slopes
    assert slope.inverse_tau == pytest.approx(2.0, abs=4 * slope.error)
    assert slope.r_squared > 0.97
    assert slope.prompts == 4
    assert main([str(file)]) == 0


BAD = {
    "nothing there": ("missing.csv", None, [], "there is no such file or folder"),
    "empty": ("a.csv", "", [], "a.csv: the file is empty"),
    "header only": ("a.csv", "beta,success\n", [], "there is a header and no row"),
    "binary": ("a.csv", b"\xff\xfe\x00beta", [], "it is not text"),
    "cut off": ("a.csv", "beta,success,n\n0.1,0.5,9\n0.2,0.", [], "a.csv, line 3: 2 fields where"),
    "a comma": ("a.csv", "beta,success\n0.1,0.5\n0.1,x,1\n", [], "a.csv, line 3: 3 fields where"),
    "twice": ("a.csv", "beta,beta\n1,1\n", [], "line 1: column 'beta' appears twice"),
    "no number": ("a.csv", "beta,success\n0.1,good\n", [], "line 2: 'good' in column 'success'"),
    "% sign": ("a.csv", "beta,success\n0.1,50%\n", [], "Use plain numbers, with --percent"),
    "no success": ("a.csv", "beta,loss\n0.1,2\n", [], "Name it with --map success=COLUMN"),
    "no beta": ("a.csv", "success,n\n0.1,20\n", [], "--map beta=COLUMN, or use --set beta=VALUE"),
    "beta 0": ("a.csv", "beta,success\n0,0.1\n", [], "no equilibrium to test"),
    "no column": ("a.csv", "beta,acc\n1,0.1\n", ["--map", "success=ac"], "there is no column 'ac'"),
    "percent": ("a.csv", FLAT.replace(",0.", ",40."), [], "In percent? Then add --percent"),
    "mixed units": ("a.csv", FLAT.replace("r0.2,0.2,7,0.", "r0.2,0.2,7,50."), [],
                    "percent and fractions are mixed"),
    "not percent": ("a.csv", FLAT, ["--percent"], "Is it a fraction"),
    "negative": ("a.csv", FLAT.replace("r0.1,0.1,5,0.", "r0.1,0.1,5,-0."), [], "a.csv, line 6"),
    "beta changes": ("a.csv", "run,beta,step,success\na,0.1,1,0.5\na,0.2,2,0.5\n", [],
                     "a.csv, line 3: beta changes from 0.1 to 0.2 within run 'a'"),
    "doubled": ("a.csv", "run,beta,step,success\na,1,1,0.5\na,1,1,0.6\n", [],
                "step 1 of run 'a' is there twice, with 0.5 and 0.6"),
    "NaN": ("a.csv", "run,beta,step,success\na,1,1,nan\na,1,2,0.6\n", [],
            "line 2: 1 of 2 success rates of run 'a' are not numbers"),
    "bad line": ("a.jsonl", '{"beta": 1}\n{"beta": ', [], "a.jsonl, line 2: no complete JSON"),
    "list": ("a.jsonl", "[1, 2]\n", [], "a.jsonl, line 1: not a JSON object"),
    "cut state": ("trainer_state.json", '{"log_history": [{"reward": 1', [], "cut off or damaged"),
    "no history": ("trainer_state.json", '{"epoch": 1}', [], "there is no list log_history"),
    "empty history": ("trainer_state.json", '{"log_history": []}', [], "log_history is empty"),
    "two rewards": ("trainer_state.json", json.dumps(state(**{"rewards/form/mean": 0.9})),
                    ["--set", "beta=0.1"], "--map success=rewards/form/mean"),
    "--map": ("a.csv", FLAT, ["--map", "success"], "--map: 'success' is not of the form"),
    "--map name": ("a.csv", FLAT, ["--map", "wins=a"], "'wins' is not a name to map to"),
    "--p-ref": ("a.csv", FLAT, ["--p-ref", "2"], "--p-ref: '2' is no support"),
    "--p-ref count": ("a.csv", FLAT, ["--p-ref", "9/4"], "more right answers than answers"),
    "--tail": ("a.csv", FLAT, ["--tail", "0"], "--tail: 0 must be above 0 and at most 1"),
    "--gap": ("a.csv", FLAT, ["--gap", "-1"], "--gap: -1 must be above 0"),
    "--resamples": ("a.csv", FLAT, ["--resamples", "9"], "at least 2/level - 1"),
    "--from-path": ("a.csv", FLAT, ["--from-path", "("], "--from-path: no regular expression"),
    "no match": ("a.csv", FLAT, ["--from-path", "x(?P<beta>1)"], "does not match this path"),
    "--json": ("a.csv", FLAT, ["--json", "no/such/folder.json"], "cannot be written"),
}  # fmt: skip


@pytest.mark.parametrize(("name", "text", "options", "said"), BAD.values(), ids=BAD)
def test_bad_input_is_explained(tmp_path, capsys, monkeypatch, name, text, options, said):
    monkeypatch.chdir(tmp_path)
    if isinstance(text, bytes):
        (tmp_path / name).write_bytes(text)
    elif text is not None:
        (tmp_path / name).write_text(text)
    assert main([name, *options]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.startswith("error: ")
    assert "Traceback" not in error


def test_one_bad_file_among_many_is_left_out(tmp_path, capsys):
    csv(tmp_path, FLAT, "good.csv")
    csv(tmp_path, "beta,success\n0.1", "bad.csv")
    main([str(tmp_path)])
    said = capsys.readouterr().out
    assert "left out: bad.csv, line 2: 1 fields where the header has 2" in said
    assert "2 runs" in said


def test_an_empty_folder_says_what_it_holds(tmp_path):
    with pytest.raises(BadInput, match="It is empty"):
        diagnose([tmp_path])
    (tmp_path / "events.out.tfevents.1").write_text("x")
    with pytest.raises(BadInput, match=r"It holds events\.out\.tfevents\.1"):
        diagnose([tmp_path])


def test_one_run_only(tmp_path, capsys):
    write_run(tmp_path / "run", trainer_state(np.full(60, 0.4), 64, rng=np.random.default_rng(0)),
              arguments(0.1, 64))  # fmt: skip
    assert main([str(tmp_path)]) == 1
    said = capsys.readouterr().out
    assert said.startswith("The data cannot tell")  # any law fits one point, at some support
    assert "no crossing can be seen at a single beta" in said


def test_mixed_group_sizes_and_settings_are_doubts(tmp_path):
    rng = np.random.default_rng(0)
    for i, (group, scale) in enumerate([(16, "group"), (8, "none"), (16, "group")]):
        write_run(tmp_path / f"r{i}", trainer_state(np.full(60, 0.7 - 0.3 * i), 64, rng=rng),
                  arguments(0.1 * (i + 1), 64, group=group, scale_rewards=scale))  # fmt: skip
    said = " ".join(m.what for m in diagnose([tmp_path]).messages if m.kind == "doubt")
    assert "group sizes 8, 16 are mixed" in said
    assert "different scale_rewards" in said


def test_the_command_itself(tmp_path):
    file = csv(tmp_path, FLAT)
    html, js = tmp_path / "out.html", tmp_path / "out.json"
    command = [sys.executable, "-m", "klrl_lite.diagnose", file, "--html", html, "--json", js]
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ)
    assert done.returncode == 1, done.stderr
    assert "2 runs, 2 betas" in done.stdout
    assert json.loads(js.read_text())["answer"] != "law"
    assert html.read_text().startswith("<!doctype html>")
    shown = subprocess.run([sys.executable, "-m", "klrl_lite.diagnose", "--help"],
                           capture_output=True, text=True)  # fmt: skip
    assert shown.returncode == 0
    for part in ("examples", "exit codes", "--map success=eval/acc"):
        assert part in shown.stdout


def test_no_byte_of_a_cut_file_ends_in_a_traceback(tmp_path):
    write_run(tmp_path / "run", state(8), arguments(0.1, 64))
    file = next(tmp_path.rglob("trainer_state.json"))
    whole, table = file.read_text(), FLAT
    for cut in range(0, len(whole), 97):
        file.write_text(whole[:cut])
        with pytest.raises(BadInput):
            diagnose([tmp_path])
    file.unlink()
    for cut in range(0, len(table), 41):
        target = csv(tmp_path, table[:cut])
        with contextlib.suppress(BadInput):
            diagnose([target], Options(resamples=39))
