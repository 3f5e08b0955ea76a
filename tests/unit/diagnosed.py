"""Helpers of the tests of `klrl_lite.diagnose`: small sweeps, and how messages have to be said."""

import re

import numpy as np
import pytest
from scipy.special import expit, logit

from klrl_lite.diagnose import BadInput, Report, Sweep
from klrl_lite.diagnose.crossing import CrossingFound
from klrl_lite.diagnose.fit import LawFit
from klrl_lite.diagnose.messages import Message
from klrl_lite.diagnose.options import Options
from klrl_lite.diagnose.rows import Row
from klrl_lite.diagnose.runs import of_numbers
from klrl_lite.diagnose.settle import Point
from klrl_lite.diagnose.slope import Slope
from klrl_lite.diagnose.sources import Table

# --- messages ---

#: Words that are written in capitals.
KNOWN = {"CSV", "JSON", "TRL", "KL", "NAME", "VALUE", "COLUMN", "REGEX", "PATH", "SHA", "AIC",
         "G", "N", "P", "R", "I", "A", "JSONL"}  # fmt: skip


def well_said(message):
    """Assert that a message is made of calm sentences: how it begins, how it ends, no shouting."""
    assert message.kind in ("error", "left out", "doubt", "note"), message
    assert message.what, message
    begin = r"[a-z0-9'\"\[({-]|TRL", r"[A-Z][a-z ]|CSV|TRL"
    for text, first in zip(message[1:3], begin, strict=True):
        if text:
            assert re.match(first, text), text
            assert re.search(r"[.?]\)?$", text), text
            assert not re.search(r"  |\. [a-z]", text), text
            # Names and values, which are quoted, are the user's.
            words = re.findall(r"\b[A-Z]+\b", re.sub(r"'[^']*'|\S+=\S+", "", text))
            assert set(words) <= KNOWN, text
    return message


def only(messages, text, kind=""):
    """The one message with this text, and of this kind; its form is checked."""
    (found,) = {m for m in messages if text in m.what}
    assert kind in ("", found.kind)
    return well_said(found)


def refused(function, *args):
    """The message of the BadInput that this raises; its form is checked."""
    with pytest.raises(BadInput) as caught:
        function(*args)
    return well_said(caught.value.message)


# --- sweeps ---

BETAS = np.array([0.15, 0.2, 0.25, 0.32, 0.5])
#: Fewest sweeps that can leave a law out.
FEW = {"resamples": 39}
#: What a settled run does.
WAVE = 0.02 * np.sin(1.7 * np.arange(40))


def gibbs(beta, p=0.05, gap=1.0):
    """Success of the Gibbs law."""
    return expit(gap / np.asarray(beta) + logit(p))


def csv_of(folder, columns, rows, name="sweep.csv"):
    """Write rows of numbers and names as CSV."""
    file = folder / name
    file.write_text("\n".join([columns, *(",".join(map(str, row)) for row in rows)]))
    return file


def table(rows, label="T", settings=None, trl=False):
    """Rows as they are read, from line (or entry) 2 on."""
    where = "entry" if trl else "line"
    numbered = [Row(f"{where} {i}", r) for i, r in enumerate(rows, 2)]
    return Table(label, numbered, settings or {}, trl)


def named(name, success=0.5 + WAVE, n=64.0, beta=0.1, **extra):
    """A run with a name."""
    run = of_numbers(beta, success, n, **extra)
    run.name = name
    return run


def with_reward(share, gap, n=np.inf, entries=8, **changes):
    """A run whose logged deviation has Bessel's correction over n answers."""
    P = np.full(entries, share)
    std = gap * np.sqrt(P * (1 - P) / (1 - 1 / n))
    return of_numbers(0.1, P, n, **{"reward": gap * P, "reward_std": std} | changes)


class Recorded:
    """A generator that keeps what it was asked for and what it gave."""

    def __init__(self, seed=0):
        self.rng, self.calls = np.random.default_rng(seed), []

    def binomial(self, n, p, size=None):
        """Draw, and keep the draw."""
        drawn = self.rng.binomial(n, p, size=size)
        self.calls.append((np.array(n), np.array(p), drawn))
        return drawn


# --- a report ---

CROSSES = CrossingFound("crosses", 0.31234, 0.28765, 0.33333, 0.25, 0.4, 0.997)
FITS = [
    LawFit("gibbs", -1.25, 0.0, [0.0213, 0.3, 0.4, 0.777], 0.61, 0.32, 0.64, np.zeros(2)),
    LawFit("std", -3.75, 2.5, [0.00456], 0.06, 0.026, 0.052, np.zeros(2)),
    LawFit("k3", -9.0, 7.75, [1e-9], 0.025, 0.3, 0.05, np.zeros(2)),
]
SLOPES = [
    Slope("one", 0.4, 600, 6, 2, 1.98765, 0.0154, 0.9876, 0.0201),
    Slope("two", np.nan, 50, 1, 5, -0.5, 0.1, 0.25, 3.0),
    Slope("three", 0.3, 10, 1, 1, np.nan, np.nan, np.nan, np.nan),
]
MESSAGES = [
    Message("doubt", "it is <odd>.", "Look at --map n=COLUMN and at --from-path 'x' too.", "a & b"),
    Message("left out", "this.", where="c"),
    Message("doubt", "it is <odd>.", "Look at --map n=COLUMN and at --from-path 'x' too.", "a & b"),
]


def settled(name, beta, success, n=250.0, state="settled", **changes):
    """A point of a run of ten entries."""
    run = of_numbers(beta, np.full(10, success))
    run.name, run.prompt = name, "easy"
    run.step = run.step * 5
    return Point(run, success, n, 320.0, 640.0, 0.0123, 0.0456, 0.789, state)._replace(**changes)


def full(**changes):
    """A report with something of everything; its numbers are all different."""
    points = [settled("r<1>", 0.25, 0.8), settled("r2", 0.5, 0.3, 100.0),
              settled("r3", 0.5, 0.2, np.nan, "too short", drawn=np.nan, drift=np.nan,
                    drift_se=np.nan, p_drift=np.nan)]  # fmt: skip
    sweep = Sweep(np.array([0.25, 0.5]), np.array([0.8, 0.3]), np.array([200.0, 80.0]),
                  np.zeros(2, int), 8.0, 1.5, 1, (13, 1000))  # fmt: skip
    parts = {
        "answer": "cannot tell",
        "families": ["Gibbs", "Gibbs at beta sigma"],
        "points": points,
        "used": points[:2],
        "crossings": {"easy": CROSSES},
        "fits": FITS,
        "sweep": sweep,
        "expected": "k3_mean",
        "logistic": (1.25, 0.04),
        "dispersion": 4.0,
        "slopes": SLOPES,
        "messages": MESSAGES,
        "options": Options(level=0.05, slack=0.07),
    }
    return Report(**(parts | changes))
