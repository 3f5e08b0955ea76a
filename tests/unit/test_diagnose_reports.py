"""Reports as text and JSON: every number is the one that was found, under the right name."""

import json
import re

import numpy as np
import pytest
from diagnosed import CROSSES, FITS, MESSAGES, SLOPES, full, settled

from klrl_lite.diagnose import LAWS, Options, Report, as_json, as_text
from klrl_lite.diagnose.crossing import CrossingFound
from klrl_lite.diagnose.laws import BY_NAME
from klrl_lite.diagnose.messages import Message
from klrl_lite.diagnose.text import crossing_text, headline

# --- sentences ---


@pytest.mark.parametrize(
    ("answer", "families", "said"),
    [
        ("law", ["Gibbs"], 'One law fits: "Gibbs".'),
        ("cannot tell", ["Gibbs", "k3"], 'The data cannot tell: "Gibbs" and "k3" both fit.'),
        ("cannot tell", ["a", "b", "c"], 'The data cannot tell: "a", "b" and "c" all fit.'),
        ("none", [], "None of the laws fits."),
        ("withheld", ["Gibbs"], "Withheld: read the doubts first."),
        ("no data", [], "There is nothing to fit."),
    ],
)
def test_headlines(answer, families, said):
    """Those that the book and the examples show."""
    assert headline(full(answer=answer, families=families)) == said
    alone = Report(slopes=SLOPES[:1])
    assert headline(alone) == "No sweep of success rates; effective temperatures only."


def test_a_crossing_in_words():
    said = crossing_text(CROSSES)
    assert "falls through one half at beta = 0.3123 (95 %: 0.2877 to 0.3333 if" in said
    assert said.endswith("between 0.25 and 0.4 for any falling curve)")
    above, below = (crossing_text(CrossingFound(s)) for s in ("above", "below"))
    assert "all runs are above one half" in above
    assert "hotter (larger) beta than any of yours" in above
    assert "all runs are below one half" in below
    assert "colder (smaller) beta than any of yours" in below
    unclear = crossing_text(CrossingFound("unclear"))
    assert unclear.startswith("not clear: ")
    assert unclear.endswith("may be on either side of one half")
    single = crossing_text(CrossingFound("one temperature"))
    assert single == "no crossing can be seen at a single beta"


# --- text ---


def lines_of(report):
    """Lines of the text, those that were folded put together again."""
    return re.sub(r"\n {4}", " ", as_text(report)).split("\n")


def test_the_text_has_the_numbers_of_the_report():
    lines = lines_of(full())
    assert lines[0] == 'The data cannot tell: "Gibbs" and "Gibbs at beta sigma" both fit.'
    assert lines[1:3] == ["", "3 runs, 2 betas (from 0.25 to 0.5); 2 used"]
    assert lines[3] == "crossing of easy: " + crossing_text(CROSSES)
    assert lines[4] == ""
    rows = [re.split(r" {2,}", line) for line in lines[5:9]]
    assert rows == [
        ["law", "support", "behind", "p-value"],
        ["Gibbs at beta", "0.021, 0.3, 0.4", "0.0", "0.640"],
        ["Gibbs at beta sigma, large groups", "0.0046", "2.5", "0.052"],
        ["literal k3, no std", "1e-09", "7.8", "0.050", "left out"],
    ]
    ends = [line.index(x) + len(x) for line, x in ((lines[5], "p-value"), (lines[7], "0.052"))]
    assert ends[0] == ends[1], "numbers stand below their heads"
    assert "at most 5 % of sweeps" in lines[9]
    assert "log-likelihood below the best" in lines[9]
    assert lines[10] == f"the settings ask for: {BY_NAME['k3_mean'].text}"
    assert lines[11] == (
        "one, beta 0.4: effective temperature 0.5031 (slope 1.988 +- 0.015), R^2 0.988, KL to "
        "the Gibbs family about 0.02 from 600 answers, two reward levels"
    )
    assert lines[12] == (
        "two: effective temperature not positive (slope -0.5 +- 0.1), R^2 0.250, KL to the Gibbs "
        "family about 3 from 50 answers"
    )
    assert lines[13] == "three, beta 0.3: the reward is constant within prompts; no slope"
    assert lines[14:] == ["", str(MESSAGES[0]), str(MESSAGES[1]), ""], "each message once"


def test_the_text_of_a_small_report():
    one = settled("r", 0.25, 0.8)
    lines = lines_of(full(points=[one], used=[], crossings={"": CROSSES}, fits=[], slopes=[],
                          expected="", messages=[]))  # fmt: skip
    assert lines[2] == "1 run, 1 beta (0.25); 0 used"
    assert lines[3].startswith("crossing: success falls")
    assert lines[4:] == [""]
    three = [settled("r", b, 0.5) for b in (0.3, 0.1, 0.2)]
    assert lines_of(full(points=three))[2].startswith("3 runs, 3 betas (from 0.1 to 0.3); ")
    (level,) = [x for x in lines_of(full(options=Options(level=0.2))) if "of sweeps" in x]
    assert "in at most 20 % of sweeps" in level


def test_slopes_in_words():
    flat, half = (SLOPES[0]._replace(inverse_tau=x) for x in (0.0, 0.5))
    text = "\n".join(lines_of(full(slopes=[SLOPES[2], flat, half])))
    assert "no slope\none, beta 0.4: effective temperature not positive (slope 0 +-" in text
    assert "one, beta 0.4: effective temperature 2 (slope 0.5 +-" in text


def test_long_lines_are_folded_but_no_table_and_no_option():
    far = Message("note", "words and " * 60, " ".join("x" * k + " --from-path" for k in range(40)))
    wide = [FITS[2]._replace(p_ref=[1.23456e-16] * 3, delta=1.2e9, law=law.name) for law in LAWS]
    text = as_text(full(messages=[far], fits=wide))
    lengths = [len(x) for x in text.split("\n") if not x.startswith(("Gibbs", "literal"))]
    assert 80 < max(lengths) <= 88
    assert not re.search("-$", text, flags=re.MULTILINE), "options stay whole"
    assert len(re.findall("1.2e-16, 1.2e-16, 1.2e-16.*left out$", text, flags=re.MULTILINE)) == 7
    table = [x for x in text.split("\n") if x.startswith(("law  ", "Gibbs", "literal"))]
    assert len(table) == 1 + len(LAWS)


# --- JSON ---


def test_the_json_has_the_numbers_of_the_report():
    report = full()
    table = as_json(report)
    assert json.loads(json.dumps(table, allow_nan=False)) == table
    assert (table["answer"], table["families"]) == (report.answer, report.families)
    assert table["headline"] == headline(report)
    assert table["crossings"] == {"easy": CROSSES._asdict()}
    assert as_json(full(crossings={"": CROSSES}))["crossings"] == {"all": CROSSES._asdict()}
    for law, fit in zip(table["laws"], FITS, strict=True):
        known = BY_NAME[fit.law]
        assert law == {
            "law": fit.law, "log_likelihood": fit.log_likelihood, "delta": fit.delta,
            "p_ref": fit.p_ref, "p_relative": fit.p_relative, "p_fit": fit.p_fit,
            "p_value": fit.p_value, "text": known.text, "family": known.family,
            "delta_aic": 2 * fit.delta, "left": fit.law != "k3",
        }  # fmt: skip
    assert table["expected"] == "k3_mean"
    assert table["assumed"] == {"gap": 1.5, "group": 8.0, "ddof": 1, "p_ref": [13, 1000],
                                "slack": 0.07, "level": 0.05, "dispersion": 4.0}  # fmt: skip
    assert table["logistic"] == {"gap": 1.25, "p_ref": 0.04}
    assert table["runs"][0] == {
        "name": "r<1>", "beta": 0.25, "prompt": "easy", "state": "settled", "used": True,
        "success": 0.8, "answers": 320.0, "worth": 250.0, "drift": 0.0123, "drift_se": 0.0456,
        "p_drift": 0.789,
    }  # fmt: skip
    assert [r["used"] for r in table["runs"]] == [True, True, False]
    assert table["runs"][2]["worth"] is table["runs"][2]["drift"] is None
    assert table["slopes"][0] == SLOPES[0]._asdict()
    assert table["slopes"][1]["beta"] is None
    assert table["messages"] == [m._asdict() for m in MESSAGES]


def test_the_json_of_an_empty_report():
    table = as_json(Report())
    assert (table["expected"], table["assumed"], table["logistic"]) == (None, None, None)
    assert table["runs"] == table["slopes"] == table["laws"] == table["messages"] == []
    large = as_json(full(sweep=full().sweep._replace(group=np.inf)))
    assert large["assumed"]["group"] is None
    assert type(as_json(full(dispersion=np.float64(2.0)))["assumed"]["dispersion"]) is float
