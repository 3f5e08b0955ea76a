"""What cannot be read is explained, never a traceback: odd options, odd files, odd numbers."""

import json

import numpy as np
import pytest

from klrl_lite.diagnose.cli import main
from klrl_lite.diagnose.messages import BadInput
from klrl_lite.diagnose.options import Options
from klrl_lite.diagnose.rows import read_rows
from klrl_lite.diagnose.runs import of_numbers
from klrl_lite.diagnose.units import check_units

HEADER = "beta,step,success,n"


def sweep(tmp_path, last="0.2,3,0.6,64", header=HEADER):
    """A small file, with a last line of one's own."""
    rows = [f"{beta},{step},{0.5 - beta / 4},64" for beta in (0.1, 0.2, 0.4) for step in (1, 2)]
    file = tmp_path / "sweep.csv"
    file.write_text("\n".join([header, *rows, last]) + "\n", encoding="utf-8")
    return str(file)


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (["--level", "0"], "--level"),
        (["--slack", "inf"], "--slack"),
        (["--slack", "nan"], "--slack"),
        (["--gap", "inf"], "--gap"),
        (["--samples", "inf"], "--samples"),
        (["--set", "ddof=x"], "ddof"),
        (["--set", "ddof=2"], "ddof is 2"),
        (["--set", "ddof=0.5"], "ddof is 0.5"),
    ],
)
def test_odd_options_are_named(options, named, tmp_path, capsys):
    assert main([sweep(tmp_path), *options]) == 2
    said = capsys.readouterr().err
    assert named in said
    assert said.startswith("error: ")
    assert said.endswith(".\n")


def test_a_correction_may_be_written_as_a_fraction(tmp_path, capsys):
    texts = []
    for ddof in ("1", "1.0"):
        main([sweep(tmp_path), "--set", f"ddof={ddof}"])
        texts.append(capsys.readouterr().out)
    assert texts[0] == texts[1] != ""


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("0.8,1,0.6,0", "of 0 answers"),
        ("0.8,1,0.6,-4", "of -4 answers"),
        ("inf,1,0.6,64", "beta is infinite"),
    ],
)
def test_numbers_that_no_run_can_have_are_left_out_with_their_line(line, said, tmp_path, capsys):
    main([sweep(tmp_path, line), "--json", str(tmp_path / "out.json")])
    capsys.readouterr()
    left = [m for m in json.loads((tmp_path / "out.json").read_text())["messages"]
            if m["kind"] == "left out"]  # fmt: skip
    assert [said in m["what"] for m in left] == [True]
    assert "line 8" in left[0]["where"]


def test_a_long_completion_is_a_cell_as_any_other(tmp_path):
    file = tmp_path / "long.csv"
    file.write_text(f"beta,success,text\n0.1,0.5,{'x' * 200_000}\n", encoding="utf-8")
    (row,) = read_rows(file, "long.csv")
    assert row.values["success"] == "0.5"


@pytest.mark.parametrize("separator", ["\u2028", "\u0085", "\x0b", "\x1c"])
def test_only_the_ends_of_lines_end_lines(separator, tmp_path):
    for name, text in (
        ("a.jsonl", json.dumps({"beta": 0.1, "text": f"a{separator}b"}, ensure_ascii=False)
         if separator in "\u2028\u0085" else '{"beta": 0.1, "text": "ab"}'),
        ("a.csv", f"beta,text\n0.1,a{separator}b"),
    ):  # fmt: skip
        (tmp_path / name).write_text(f"{text}\n", encoding="utf-8")
        (row,) = read_rows(tmp_path / name, name)
        assert float(row.values["beta"]) == 0.1


def test_windows_line_ends_are_line_ends(tmp_path):
    (tmp_path / "a.jsonl").write_bytes(b'{"beta": 0.1}\r\n{"beta": 0.2}\r\n')
    (tmp_path / "a.csv").write_bytes(b"beta,success\r\n0.1,0.5\r\n0.2,0.5\r\n")
    for name in ("a.jsonl", "a.csv"):
        rows = read_rows(tmp_path / name, name)
        assert [float(row.values["beta"]) for row in rows] == [0.1, 0.2]


def test_a_nest_without_end_is_no_row(tmp_path):
    (tmp_path / "deep.jsonl").write_text("[" * 100_000 + "]" * 100_000, encoding="utf-8")
    with pytest.raises(BadInput, match=r"nested too deeply|not a JSON object"):
        read_rows(tmp_path / "deep.jsonl", "deep.jsonl")


def test_a_folder_with_the_name_of_a_file_is_none(tmp_path, capsys):
    (tmp_path / "odd.csv").mkdir()
    sweep(tmp_path)
    assert main([str(tmp_path)]) in (0, 1)
    assert "odd.csv" not in capsys.readouterr().out


@pytest.mark.parametrize("tail", [0.25, 0.5, 1.0])
def test_a_gap_is_read_off_the_same_tail_as_the_success(tail):
    """Reward is twice the success, in runs that move."""
    runs = []
    for beta, end in ((0.1, 0.9), (0.2, 0.6), (0.4, 0.4)):
        rate = np.linspace(0.1, end, 40)
        runs.append(of_numbers(beta, rate, reward=2.0 * rate))
    messages = []
    assert check_units(runs, Options(tail=tail), messages) == pytest.approx(2.0)
    assert [m.kind for m in messages] == ["note"]


def test_a_log_rounds_and_that_is_no_wrong_unit():
    runs = [of_numbers(0.1, [50.0, 100.05]), of_numbers(0.2, [20.0, 30.0])]
    check_units(runs, Options(percent=True, gap=1.0), [])
    assert runs[0].success.tolist() == [0.5, 1.0]
    with pytest.raises(BadInput, match="Correct the unit"):
        check_units([of_numbers(0.1, [50.0, 100.2])], Options(percent=True, gap=1.0), [])
