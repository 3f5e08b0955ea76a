"""The command line: options, help, exit codes and files."""

import argparse
import json
import re
import sys
from types import SimpleNamespace

import pytest
from diagnosed import SLOPES, full

from klrl_lite.diagnose import BadInput, Options, Report, as_json, as_text, page
from klrl_lite.diagnose import cli as command_line
from klrl_lite.diagnose.cli import main, options_of, parser


def option(name):
    (found,) = [a for a in parser()._actions if name in a.option_strings]
    return found


def test_options_of_the_command_line_are_those_of_python():
    usual = options_of(parser().parse_args(["runs"]))
    assert usual == Options()
    given = parser().parse_args(
        ["a", "b", "--map", "success=acc", "--map", "beta=b", "--set", "ddof=1", "--from-path", "x",
         "--percent", "--samples", "64", "--p-ref", "13/1000", "--gap", "2", "--tail", "0.25",
         "--slack", "0.1", "--level", "0.1", "--resamples", "99", "--seed", "7", "--json", "j",
         "--html", "h"]
    )  # fmt: skip
    assert (given.paths, given.json, given.html) == (["a", "b"], "j", "h")
    assert options_of(given) == Options(
        {"success": "acc", "beta": "b"}, {"ddof": "1"}, "x", True, 64.0, (13, 1000), 2.0, 0.25, 0.1,
        0.1, 99, 7,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("name", "bad", "good", "rule"),
    [
        ("tail", ["0", "-1", "1.01"], ["1", "0.01"], "above 0 and at most 1"),
        ("slack", ["-0.1"], ["0", "1"], "0 or more, and finite"),
        ("level", ["-0.1", "0.5", "0.7"], ["0.49", "0.02"], "between 0 and 0.5"),
        ("samples", ["0", "0.5"], ["1"], "1 or more, and finite"),
        ("gap", ["0", "-1"], ["0.5", "1e-3"], "above 0, and finite"),
        ("resamples", ["38", "9"], ["39"], "at least 2/level - 1, or nothing can be left out"),
        ("seed", ["-1"], ["0"], "0 or more"),
    ],
)
def test_values_of_options_are_checked_at_their_ends(name, bad, good, rule):
    for value in bad:
        with pytest.raises(BadInput) as caught:
            options_of(parser().parse_args(["runs", f"--{name}", value]))
        message = caught.value.message
        assert message.where == f"--{name}"
        assert message.what == f"{float(value):g} must be {rule}."
    for value in good:
        assert getattr(
            options_of(parser().parse_args(["runs", f"--{name}", value])), name
        ) == float(value)


@pytest.mark.parametrize(("name", "value"), [("--map", "success"), ("--map", "wins=a"),
                                             ("--set", "beta"), ("--p-ref", "2")])  # fmt: skip
def test_values_that_cannot_be_read_are_said_with_their_option(name, value):
    with pytest.raises(BadInput) as caught:
        options_of(parser().parse_args(["runs", name, value]))
    assert caught.value.message.where == name
    assert repr(value.split("=")[0]) in caught.value.message.what


def test_help_names_every_option_and_its_default():
    usual, shown = Options(), parser().format_help()
    for action in parser()._actions:
        assert re.match(r"[a-z]", action.help), "every option says what it is"
        assert not re.search(r"\b(?!(JSON|NAME)\b)[A-Z]{4,}\b", action.help), action.help
    for name in ("tail", "slack", "level", "resamples", "seed"):
        assert option(f"--{name}").help.endswith(f"({getattr(usual, name):g})")
    for usage in ("--map NAME=COLUMN", "--set NAME=VALUE", "--from-path REGEX", "--samples N",
                  "--p-ref P", "--json FILE", "--html FILE", "--percent"):  # fmt: skip
        assert f"[{usage}]" in " ".join(shown.split())
    assert "usage: python -m klrl_lite.diagnose [-h]" in shown
    assert "PATH [PATH ...]" in shown
    # Descriptions and examples keep their lines, so that they can be copied.
    assert command_line.DESCRIPTION in shown
    assert command_line.EPILOG in shown
    assert "beta, num_generations, scale_rewards" in option("--set").help
    assert option("--set").help.endswith("ddof (1 if the std has Bessel's correction)")
    assert "NAME" in option("--map").help
    assert "JSON" in option("--json").help
    assert "0.013, or 13/1000" in option("--p-ref").help
    with pytest.raises(SystemExit):
        parser().parse_args([])
    assert isinstance(parser(), argparse.ArgumentParser)


@pytest.fixture
def found(monkeypatch):
    """A report that is found, whatever the path, and what was asked for; pages without figures."""
    seen = SimpleNamespace(report=Report("law", ["Gibbs"], sweep=full().sweep))

    def diagnose(paths, options):
        seen.paths, seen.options = paths, options
        return seen.report

    monkeypatch.setattr(command_line, "diagnose", diagnose)
    monkeypatch.setattr(page, "as_html", lambda report: f"page of {report.answer!r} ±")
    return seen


@pytest.mark.parametrize(
    ("report", "code"),
    [
        (Report("law", ["Gibbs"], sweep=full().sweep), 0),
        (full(answer="cannot tell"), 1),
        (full(answer="none"), 1),
        (full(answer="withheld"), 1),
        (Report(slopes=SLOPES), 0),
        (full(answer="no data", slopes=SLOPES), 1),
        (Report(), 1),
    ],
)
def test_exit_codes(found, capsys, report, code):
    found.report = report
    assert main(["x", "y", "--seed", "5"]) == code
    assert capsys.readouterr() == (as_text(report), "")
    assert (found.paths, found.options) == (["x", "y"], Options(seed=5))


def test_reports_are_written_to_files(found, capsys, tmp_path):
    found.report = full()
    js, html = tmp_path / "a.json", tmp_path / "a.html"
    assert main(["x", "--json", str(js), "--html", str(html)]) == 1
    assert js.read_text(encoding="utf-8").endswith("\n}\n")
    assert '\n "answer"' in js.read_text(encoding="utf-8"), "for people, too"
    assert json.loads(js.read_text(encoding="utf-8")) == as_json(full())
    assert html.read_text(encoding="utf-8") == "page of 'cannot tell' ±"
    assert capsys.readouterr().out == as_text(full())


@pytest.mark.parametrize("name", ["--json", "--html"])
def test_a_file_that_cannot_be_written_is_named(found, capsys, tmp_path, name):
    target = tmp_path / "none" / "x"
    assert main(["x", name, str(target)]) == 2
    out, error = capsys.readouterr()
    assert out == ""
    assert error == f"error: {name}: {target} cannot be written (No such file or directory).\n"


def test_arguments_are_those_of_the_command_by_default(found, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["diagnose", "here"])
    assert main() == 0
    assert found.paths == ["here"]
