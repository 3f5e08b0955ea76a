"""Files and rows: what is read, and where an error is said to be."""

import json

import numpy as np
import pytest
from diagnosed import only, refused

from klrl_lite.diagnose import Options, diagnose
from klrl_lite.diagnose.rows import Row, lookup, read_rows, text_of
from klrl_lite.diagnose.sources import tables
from klrl_lite.diagnose.write import arguments, write_run


def write(folder, name, text):
    file = folder / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")
    return file


# --- rows ---


def test_csv_rows_know_their_lines(tmp_path):
    text = '\ufeff beta ,success, note\n\n0.1,0.5,"a, b"\n , ,\n0.2,0.6,ü\n'
    rows = read_rows(write(tmp_path, "a.csv", text), "a.csv")
    assert rows == [
        Row("line 3", {"beta": "0.1", "success": "0.5", "note": "a, b"}),
        Row("line 5", {"beta": "0.2", "success": "0.6", "note": "ü"}),
    ]


@pytest.mark.parametrize("name", ["a.tsv", "a.csv", "a.txt"])
def test_tabs_in_the_header_make_a_table_of_tabs(tmp_path, name):
    (row,) = read_rows(write(tmp_path, name, "beta\tnote\n0.1\ta,b\n"), name)
    assert row.values == {"beta": "0.1", "note": "a,b"}
    (row,) = read_rows(write(tmp_path, name, "beta,note\n0.1,a\tb\n"), name)
    assert row.values == {"beta": "0.1", "note": "a\tb"}


@pytest.mark.parametrize("suffix", ["jsonl", "ndjson", "json"])
def test_json_lines_know_their_lines(tmp_path, suffix):
    file = write(tmp_path, f"a.{suffix}", '{"beta": 0.1}\n\n{"beta": "ü"}\n')
    assert read_rows(file, "a") == [Row("line 1", {"beta": 0.1}), Row("line 3", {"beta": "ü"})]


@pytest.mark.parametrize(
    ("name", "text", "where", "said", "do"),
    [
        ("a.csv", "a,b,c,b,a\n1,2,3,4,5\n", "T, line 1", "column 'a' appears twice", "Rename one."),
        ("a.csv", "a,b\n1,2\n1\n", "T, line 3", "1 fields where the header has 2", "delete that"),
        ("a.csv", "a,b\n\n1,2,3\n", "T, line 3", "a comma without quotes", "Export it again"),
        ("a.csv", "a,b\n\n", "T", "there is a header and no row", "Export it again."),
        ("a.csv", " \n", "T", "the file is empty", "Export it again."),
        ("a.jsonl", '{"a": 1}\n{"a" 1}\n', "T, line 2", "(column 6: ", "One object per line"),
        ("a.jsonl", '\n["a"]\n', "T, line 2", "not a JSON object", "One object per line"),
    ],
)
def test_files_that_are_no_tables(tmp_path, name, text, where, said, do):
    message = refused(read_rows, write(tmp_path, name, text), "T")
    assert message.where == where
    assert said in message.what
    assert do in message.do


def test_a_file_that_is_no_text_says_which_byte(tmp_path):
    file = tmp_path / "a.csv"
    file.write_bytes(b"beta\n\xff")
    message = refused(text_of, file, "a.csv")
    assert (message.where, message.what) == ("a.csv", "it is not text (byte 5).")
    assert "export to one of them" in message.do
    message = refused(text_of, tmp_path, "folder")
    assert message.where == "folder"
    assert "it cannot be read (Is a directory)" in message.what
    assert "(No such file" in refused(text_of, tmp_path / "none", "x").what


def test_lookup_finds_what_is_inside():
    values = {"a": {"b": {"c.d": 1}, "x": 5}, "a.b": {"e": 2}, "f.g": {"h": 3}, "top": None,
              "p.q": {"r.s": 9}}  # fmt: skip
    cells = {"a.b.c.d": 1, "a.x": 5, "f.g.h": 3, "top": None, "a.y": None, "a.b.e": None,
             "p.q.r.s": 9,
             "a": values["a"], "zz": None, "top.x": None, "f.g.h.i": None}  # fmt: skip
    assert {k: lookup(values, k) for k in cells} == cells


# --- files of a sweep ---

CSV = "beta,success,n\n0.1,0.5,9\n"


def test_folders_are_searched_for_exports(tmp_path):
    for name in ("b.csv", "a.tsv", "sub/c.jsonl", "notes.txt", "sub/d.log"):
        text = '{"beta": 1, "success": 0.5}\n' if "json" in name else CSV
        write(tmp_path / "x", name, text.replace(",", "\t") if "tsv" in name else text)
    paths = [tmp_path / "x" / "b.csv", str(tmp_path / "x")]
    found, messages = tables(paths)
    assert [(t.label, t.trl, t.settings) for t in found] == [
        ("b.csv", False, {}), ("a.tsv", False, {}), ("sub/c.jsonl", False, {})]  # fmt: skip
    assert found[1].rows[0].values == {"beta": "0.1", "success": "0.5", "n": "9"}
    message = only(messages, "given twice; read once")
    assert (message.kind, message.where) == ("note", "b.csv")
    one, _ = tables([tmp_path / "x" / "notes.txt"])
    assert one[0].label == "notes.txt"


def test_files_that_cannot_be_read_are_left_out_if_others_can(tmp_path):
    write(tmp_path, "a.csv", "")
    write(tmp_path, "b.csv", CSV)
    found, messages = tables([tmp_path])
    assert [t.label for t in found] == ["b.csv"]
    assert [(m.kind, m.where, m.what) for m in messages] == [
        ("left out", "a.csv", "the file is empty.")]  # fmt: skip
    message = refused(tables, [tmp_path / "a.csv"])
    assert message == ("error", "the file is empty.", "Export it again.", "a.csv")
    message = refused(tables, [tmp_path / "b.csv", tmp_path / "none"])
    assert message.where == str(tmp_path / "none")
    assert "no such file or folder" in message.what


def test_a_folder_without_logs_says_what_it_holds(tmp_path):
    (tmp_path / "x" / "empty").mkdir(parents=True)
    message = refused(tables, [tmp_path / "x"])
    assert message.where == "x"
    assert message.what == "no trainer_state.json, CSV or JSON lines in this folder. It is empty."
    assert message.do == "Export the log of each run to CSV."
    for name in ("b.pt", "a.pt"):
        write(tmp_path / "x", name, "?")
    assert refused(tables, [tmp_path / "x"]).what.endswith("It holds a.pt, b.pt.")


def state(steps, reward=0.5, **more):
    history = [{"step": t, "reward": reward + 0.01 * (t % 3)} | more for t in range(1, steps + 1)]
    return {"global_step": steps, "log_history": history}


def test_runs_of_trl_are_read_with_their_newest_checkpoint(tmp_path):
    folder = tmp_path / "runs"
    for steps in (2, 4, 10):  # as text, 10 comes before 2
        write_run(folder / "r1", state(steps), arguments(0.1, 64))
    write(folder, "r2/trainer_state.json", json.dumps(state(3)))
    write(folder, "r2/checkpoint-9/trainer_state.json", json.dumps(state(9)))
    write(folder, "r3/checkpoint-last/trainer_state.json", json.dumps(state(5)))
    write(folder, "r1/metrics.csv", CSV)  # beside runs of TRL other exports are not read
    found, messages = tables([folder])
    assert [(t.label, len(t.rows)) for t in found] == [
        ("r1", 10), ("r2", 3), ("r3/checkpoint-last", 5)]  # fmt: skip
    assert messages == []
    assert all(t.trl for t in found)
    assert found[0].rows[1].where == "entry 2 of log_history"
    assert found[0].settings["beta"] == 0.1
    alone, _ = tables([folder / "r1"])
    assert (alone[0].label, len(alone[0].rows)) == ("r1", 10)
    inner, _ = tables([folder / "r1" / "checkpoint-4" / "trainer_state.json"])
    assert (inner[0].label, len(inner[0].rows)) == ("trainer_state.json", 4)
    assert inner[0].settings["beta"] == 0.1, "arguments beside the checkpoint's folder"


def test_a_damaged_checkpoint_is_passed_over_with_a_note(tmp_path):
    for steps in (3, 4):
        write_run(tmp_path / "r", state(steps), arguments(0.1, 64))
    newest = tmp_path / "r" / "checkpoint-4" / "trainer_state.json"
    newest.write_text('{\n "a": ,')
    (table,), messages = tables([tmp_path / "r"])
    assert len(table.rows) == 3
    message = only(messages, "not complete JSON")
    assert message.kind == "note"
    assert message.where == "r/checkpoint-4/trainer_state.json, line 2, column 7"
    assert "(Expecting value)" in message.what
    assert message.do == "Read instead: checkpoint-3."
    (tmp_path / "r" / "checkpoint-3" / "trainer_state.json").write_text("[]")
    message = refused(tables, [tmp_path / "r"])  # the oldest is the last hope
    assert message.where == "r/checkpoint-3/trainer_state.json"


@pytest.mark.parametrize(
    ("text", "said", "do"),
    [
        ('{"a": 1}', "there is no list log_history in it", "Is it a trainer's state?"),
        ("[1]", "there is no list log_history in it", "Is it a trainer's state?"),
        ('{"log_history": {}}', "there is no list log_history in it", "Is it a trainer's state?"),
        ('{"log_history": [{}, 3]}', "there is no list log_history", "Is it a trainer's state?"),
        ('{"log_history": []}', "log_history is empty", "logging_steps below max_steps"),
        ('{"log_', "not complete JSON", "Take an older checkpoint, or save the run again."),
        ("", "the file is empty", "Export it again."),
    ],
)
def test_states_that_are_none(tmp_path, text, said, do):
    write(tmp_path, "r/trainer_state.json", text)
    message = refused(tables, [tmp_path / "r"])
    assert message.where.startswith("r/trainer_state.json")
    assert said in message.what
    assert do in message.do


ASKED = {"beta": 0.1, "num_generations": 8, "scale_rewards": "none", "loss_type": "dapo",
         "use_bias_correction_kl": False, "seed": 3, "importance_sampling_level": "token",
         "num_iterations": 2, "learning_rate": 1e-6, "logging_steps": 5}  # fmt: skip


@pytest.mark.parametrize("name", ["training_args.json", "args.json", "grpo_config.json",
                                  "config_args.json"])  # fmt: skip
@pytest.mark.parametrize("place", ["r", "r/checkpoint-3"])
def test_arguments_are_found_beside_the_state_or_above(tmp_path, name, place):
    write_run(tmp_path / "r", state(3), {})
    (tmp_path / "r" / "training_args.json").unlink()
    write(tmp_path / place, name, json.dumps(ASKED | {"output_dir": "out", "max_steps": 9}))
    (table,), messages = tables([tmp_path / "r"])
    assert table.settings == ASKED
    assert messages == []


def test_arguments_beside_the_state_come_before_those_above(tmp_path):
    write_run(tmp_path / "r", state(3), arguments(0.1, 64))
    write(tmp_path, "r/checkpoint-3/args.json", '{"beta": 0.7}')
    assert tables([tmp_path])[0][0].settings == {"beta": 0.7}


def test_answers_for_each_step_come_from_the_arguments(tmp_path):
    def n(**changes):
        given = {"generation_batch_size": 96, "steps_per_generation": 4,
                 "gradient_accumulation_steps": 2, "num_iterations": 3} | changes  # fmt: skip
        given = {k: v for k, v in given.items() if v != "none"}
        write_run(tmp_path / "r", state(6), {"beta": 0.1} | given)
        (point,) = diagnose([tmp_path / "r"], Options(resamples=39)).points
        assert "per_step" not in point.run.settings
        return point.run.n[0]

    # 96 answers last for 4 micro-batches, used three times; a step takes two micro-batches.
    assert n() == 96 * 2 / (4 * 3)
    assert n(num_iterations="none") == n(num_iterations=None) == 96 * 2 / 4
    for lost in ("generation_batch_size", "steps_per_generation", "gradient_accumulation_steps"):
        assert np.isnan(n(**{lost: "none"}))
        assert np.isnan(n(**{lost: None}))
        assert np.isnan(n(**{lost: "some"}))
    assert np.isnan(n(steps_per_generation=0))


def test_arguments_that_are_damaged_or_a_pickle(tmp_path):
    write_run(tmp_path / "r", state(3), {})
    file = write(tmp_path, "r/training_args.json", '{"beta": ')
    message = refused(tables, [tmp_path])
    assert "not complete JSON (Expecting value)" in message.what
    assert message.where == "r/training_args.json, line 1"
    assert message.do == "Write it again with trainer.args.to_json_string()."
    file.write_text("")
    assert refused(tables, [tmp_path]).where == "r/training_args.json"
    file.write_text("[1]")
    assert tables([tmp_path])[0][0].settings == {}
    file.unlink()
    for place in ("r", "r/checkpoint-3"):
        pickle = write(tmp_path, f"{place}/training_args.bin", "x")
        (table,), messages = tables([tmp_path])
        assert table.settings == {}
        message = only(messages, "training_args.bin is a pickle")
        assert (message.kind, message.where) == ("note", "r")
        for part in ("training_args.json", "trainer.args.to_json_string()", "--set", "--from-path"):
            assert part in message.do
        pickle.unlink()
    assert tables([tmp_path])[1] == []
