"""Claims: two independent sides, a tolerance with a reason, and a rival that must be rejected.

A notebook cell states a check in one to three lines::

    claim("S10.3", "closed form = sum over outcomes").same(
        closed, summed, tol=1e-12, why="rounding", rival=("odds upside down", wrong))

The check fails if the two sides differ by more than the tolerance, and it fails as well if a
rival, a tempting wrong formula, would have passed. What kind of rival a claim rejects is its
evidence, and the evidence must fit the verdict that `book/claims.yml` gives the claim:

=================  =======================  ==================================================
keyword            verdict it supports      what it holds
=================  =======================  ==================================================
`rival`            any                      a tempting wrong formula
`without`          holds with a condition   the statement where its condition is dropped
`as_stated`        false as stated          the statement as the post gives it
`other`            convention               the same words under the other convention
=================  =======================  ==================================================
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from html import escape
from typing import Any, Self

import numpy as np

from ._types import ArrayLike
from .verdicts import EVIDENCE, VERDICTS, load, registry

__all__ = [
    "EVIDENCE",
    "VERDICTS",
    "Claim",
    "ClaimError",
    "Result",
    "claim",
    "collect",
    "derived_verdict",
    "load",
    "registry",
]

#: A rival must miss by at least this many tolerances.
MARGIN = 10.0
#: Largest |z| of an estimate that agrees; a rival must be beyond twice that.
Z_MAX = 4.0

_LABELS = {
    "rival": "rival",
    "without": "without the condition",
    "as_stated": "as the post states it",
    "other": "other convention",
}

_collector: ContextVar[list[dict[str, Any]] | None] = ContextVar("collector", default=None)


class ClaimError(AssertionError):
    """A claim that its own numbers do not support."""


@contextmanager
def collect() -> Iterator[list[dict[str, Any]]]:
    """Collect the records of all checks made inside, without raising on those that fail.

    Examples
    --------
    >>> with collect() as records:
    ...     _ = claim("S10.3").same(1.0, 2.0, tol=0.1, why="shown to fail", no_rival="shown")
    >>> records[0]["failure"]
    'the two sides differ by 1, tolerance 0.1'
    """
    records: list[dict[str, Any]] = []
    token = _collector.set(records)
    try:
        yield records
    finally:
        _collector.reset(token)


def derived_verdict(records: Iterable[dict[str, Any]]) -> str:
    """Name the verdict that the evidence of a claim's checks amounts to.

    Examples
    --------
    >>> derived_verdict([{"rivals": [{"kind": "rival"}, {"kind": "without"}]}])
    'holds with a condition'
    """
    kinds = {rival["kind"] for record in records for rival in record["rivals"]}
    return next((verdict for kind, verdict in EVIDENCE.items() if kind in kinds), "holds")


def claim(ids: str, what: str = "") -> "Claim":
    """Start a check of one claim, or of several claims that say the same.

    Parameters
    ----------
    ids : str
        Claim ids, separated by spaces, as in `book/claims.yml`.
    what : str
        The two sides in a few words, shown with the result.

    Returns
    -------
    Claim
        Call one of its methods `same`, `at_most`, `order`, `estimate`.

    Raises
    ------
    ClaimError
        If an id is unknown, or none is given.

    Examples
    --------
    >>> claim("S10.3", "one = one").same(1, 1, tol=0, why="exact", rival=("two", 2))
    S10.3  holds: one = one, within 0 (exact)
    rival  two, off by 1: rejected
    """
    known = registry()
    if not ids.split():
        raise ClaimError("a check must name the claim that it checks")
    for name in ids.split():
        if known and name not in known:
            raise ClaimError(f"unknown claim id {name!r}")
    return Claim(tuple(ids.split()), what)


class Claim:
    """One check under way; see `claim`."""

    def __init__(self, ids: tuple[str, ...], what: str) -> None:
        self.ids, self.what = ids, what

    def same(
        self,
        left: ArrayLike,
        right: ArrayLike,
        *,
        tol: float,
        why: str,
        relative: bool = False,
        **rivals: Any,
    ) -> "Result":
        """Check left = right, the largest difference over all entries against `tol`.

        Parameters
        ----------
        left, right : array_like
            The two sides, from independent routes. For boolean arrays the difference is the
            share of entries that disagree.
        tol : float
            Largest difference allowed; of the ratio left/right to 1 if `relative`.
        why : str
            Why this tolerance and no other.
        **rivals : tuple or list of tuples
            `rival`, `without`, `as_stated`, `other`: (name, right') puts right' in the place of
            right, (name, left', right') replaces both. Or `no_rival="reason"`.
        """

        def error(a, b):
            return _difference(a, b, relative)

        return self._check("same", error, left, right, tol, why, MARGIN * tol, rivals)

    def at_most(
        self, left: ArrayLike, right: ArrayLike, *, tol: float, why: str, **rivals: Any
    ) -> "Result":
        """Check left <= right everywhere, up to `tol`. Arguments as in `same`."""

        def error(a, b):
            excess = np.subtract(np.asarray(a, float), np.asarray(b, float))
            return np.nan if np.isnan(excess).any() else max(float(np.max(excess)), 0.0)

        return self._check("at most", error, left, right, tol, why, MARGIN * tol, rivals)

    def order(
        self,
        steps: ArrayLike,
        errors: ArrayLike,
        expected: ArrayLike,
        *,
        tol: float = 0.05,
        why: str = "finite steps",
        **rivals: Any,
    ) -> "Result":
        """Check errors ~ steps**expected: the slope of a log-log fit. Rivals are other orders."""
        slope = np.polyfit(np.log(steps), np.log(errors), 1)[0]
        return self.same(slope, expected, tol=tol, why=why, **rivals)

    def estimate(
        self, mean: ArrayLike, standard_error: ArrayLike, exact: ArrayLike, **rivals: Any
    ) -> "Result":
        """Check a sampled mean against an exact value by its z-score, |z| <= 4."""

        def error(a, b):
            return float(np.max(np.abs((np.asarray(a) - np.asarray(b)) / standard_error)))

        why = "z-score over the samples"
        return self._check("estimate", error, mean, exact, Z_MAX, why, 2 * Z_MAX, rivals)

    def _check(self, kind, error, left, right, tol, why, clear, rivals):
        reason = rivals.pop("no_rival", None)
        record = {
            "ids": list(self.ids),
            "what": self.what,
            "kind": kind,
            "error": _json_number(error(left, right)),
            "tol": float(tol),
            "why": why,
            "no_rival": reason,
            "rivals": [],
            "failure": None,
        }
        record["failure"] = self._judge(record, error, left, right, clear, rivals)
        records = _collector.get()
        if records is not None:
            records.append(record)
        elif record["failure"]:
            raise ClaimError(f"{' '.join(self.ids)}: {record['failure']}")
        return Result(record).show()

    def _judge(self, record, error, left, right, clear, rivals):
        """Fill in the rivals; return what is wrong with the check, or None."""
        no_numbers = []
        for kind, given in rivals.items():
            if kind not in _LABELS:
                raise TypeError(f"unknown evidence {kind!r}; known: {', '.join(_LABELS)}")
            for name, *sides in given if isinstance(given, list) else [given]:
                a, b = (left, *sides) if len(sides) == 1 else sides
                miss = error(a, b)
                no_numbers += [name] if np.isnan(miss) else []
                record["rivals"].append({"kind": kind, "name": name, "error": _json_number(miss)})
        if record["error"] is None or not record["error"] <= record["tol"]:
            off = "no finite number" if record["error"] is None else f"{record['error']:.3g}"
            return f"the two sides differ by {off}, tolerance {record['tol']:g}"
        if no_numbers:
            return f"its rival {no_numbers[0]!r} is not a number: nothing has been rejected"
        if not record["rivals"] and not record["no_rival"]:
            return "no rival, and no reason given for having none"
        for rival in record["rivals"]:
            # A rival that is infinitely far off (None here) agrees with nothing.
            if rival["error"] is not None and not rival["error"] > clear:
                return (
                    f"accepts its rival {rival['name']!r}: off by {rival['error']:.2g} only, "
                    f"where {clear:.2g} would be clear"
                )
        for name in self.ids:
            verdict = registry().get(name, {}).get("verdict")
            for rival in record["rivals"]:
                supported = EVIDENCE.get(rival["kind"], verdict)
                if verdict and supported != verdict:
                    return f"evidence {rival['kind']!r} contradicts the verdict {verdict!r}"
        return None


def _difference(left, right, relative):
    left, right = np.asarray(left), np.asarray(right)
    if left.dtype == bool and right.dtype == bool:
        return float(np.mean(left != right))
    left, right = left.astype(complex), right.astype(complex)
    with np.errstate(invalid="ignore", divide="ignore"):
        gap = np.abs(left - right)
        gap = np.where(left == right, 0.0, gap / np.abs(right) if relative else gap)
    return float(np.max(gap)) if gap.size else np.nan


def _json_number(x):
    """Infinity and NaN are no numbers in JSON: a difference that is not finite becomes None."""
    return float(x) if np.isfinite(x) else None


class Result:
    """Outcome of a check (see `claim`), shown at once; its record is in the output's metadata."""

    def __init__(self, record: dict[str, Any]) -> None:
        self.record = record

    def show(self) -> Self:
        """Display the outcome if a notebook is there to display it; return self."""
        try:
            from IPython import get_ipython
            from IPython.display import display
        except ImportError:
            return self
        if get_ipython() is not None:
            data = {"text/plain": repr(self), "text/html": self._html()}
            display(data, raw=True, metadata={"klrl": self.record})
        return self

    def _lines(self):
        """(label, text, outcome) for the check and each rival. Rounded: stored and compared."""
        r = self.record
        bound = f"|z| <= {r['tol']:g}" if r["kind"] == "estimate" else f"within {r['tol']:.1g}"
        outcome = f"FAILS: {r['failure']}" if r["failure"] else f"{bound} ({r['why']})"
        yield " ".join(r["ids"]), r["what"], outcome
        for rival in r["rivals"]:
            far = rival["error"]
            miss = "infinitely far off" if far is None else f"off by {far:.2g}"
            yield _LABELS[rival["kind"]], rival["name"], miss + ": rejected" * (not r["failure"])
        if r["no_rival"]:
            yield "no rival", r["no_rival"], ""

    def _verdict(self):
        return registry().get(self.record["ids"][0], {}).get("verdict", "")

    def __repr__(self):
        rows = list(self._lines())
        width = max(len(label) for label, _, _ in rows)
        (label, text, outcome), *rest = rows
        lines = [f"{label:>{width}}  {self._verdict()}: {text}, {outcome}"]
        lines += [f"{a:>{width}}  {b}, {c}".rstrip(", ") for a, b, c in rest]
        return "\n".join(lines)

    def _html(self):
        (_, text, outcome), *rest = self._lines()
        verdict = self._verdict()
        look = {"holds with a condition": "condition", "false as stated": "false"}.get(
            verdict, verdict
        )
        ids = " ".join(
            f'<span class="klrl-id" data-claim="{name}">{name}</span>'
            for name in map(escape, self.record["ids"])
        )
        rows = "".join(
            f"<tr><td>{escape(a)}</td><td>{escape(b)}</td><td>{escape(c)}</td></tr>"
            for a, b, c in rest
        )
        table = f'<table class="klrl-rivals"><tbody>{rows}</tbody></table>' if rows else ""
        return (
            f'<div class="klrl-claim {look}">{ids} <span class="klrl-verdict">{verdict}</span> '
            f'<span class="klrl-what">{escape(text)},</span> '
            f'<span class="klrl-within">{escape(outcome)}</span>{table}</div>'
        )

    def _ipython_display_(self):
        """Nothing more: `show` did it, also for a check that does not end its cell."""
