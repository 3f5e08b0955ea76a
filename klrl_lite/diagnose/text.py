"""A report as text and as JSON."""

import math
from textwrap import TextWrapper
from typing import Any

from .core import Report
from .crossing import CrossingFound
from .laws import BY_NAME

#: Answers of a report, as headlines.
HEADLINES = {
    "law": "One law fits: {}.",
    "cannot tell": "The data cannot tell: {} all fit.",
    "none": "None of the laws fits.",
    "withheld": "Withheld: read the doubts first.",
    "no data": "There is nothing to fit.",
}

#: Columns of a report.
_WIDTH = 88


def headline(report: Report) -> str:
    """The answer in one sentence.

    Examples
    --------
    >>> headline(Report("law", ["Gibbs"]))
    'One law fits: "Gibbs".'
    """
    if not report.sweep and report.slopes:
        return "No sweep of success rates; effective temperatures only."
    names = [f'"{name}"' for name in report.families]
    listed = " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
    text = HEADLINES[report.answer].format(listed)
    return text.replace(" all fit", " both fit") if len(names) == 2 else text


def crossing_text(found: CrossingFound) -> str:
    """What was found about a crossing, in a sentence.

    Examples
    --------
    >>> crossing_text(CrossingFound("one temperature"))
    'no crossing can be seen at a single beta'
    """
    match found.state:
        case "crosses":
            return (
                f"success falls through one half at beta = {found.beta:.4g} (95 %: {found.low:.4g} "
                f"to {found.high:.4g} if the curve is smooth between your betas; between "
                f"{found.bracket_low:.4g} and {found.bracket_high:.4g} for any falling curve)"
            )
        case "above" | "below":
            side = "hotter (larger)" if found.state == "above" else "colder (smaller)"
            return (
                f"no crossing: all runs are {found.state} one half. If there is one, it is at "
                f"{side} beta than any of yours"
            )
        case "one temperature":
            return "no crossing can be seen at a single beta"
        case _:
            return (
                "not clear: with these numbers of answers and runs, success at one end of the "
                "sweep may be on either side of one half"
            )


def as_text(report: Report) -> str:
    r"""Write a report for a terminal.

    Parameters
    ----------
    report : Report

    Returns
    -------
    str

    Examples
    --------
    >>> as_text(Report())
    'There is nothing to fit.\n\n'
    """
    lines = [headline(report), ""]
    if report.points:
        betas = sorted({p.run.beta for p in report.points})
        span = f"from {betas[0]:.4g} to {betas[-1]:.4g}" if len(betas) > 1 else f"{betas[0]:.4g}"
        count = f"{len(report.points)} run{'s' * (len(report.points) != 1)}"
        lines.append(f"{count}, {len(betas)} beta{'s' * (len(betas) != 1)} ({span}); "
                     f"{len(report.used)} used")  # fmt: skip
    for prompt, found in report.crossings.items():
        lines.append(f"crossing{f' of {prompt}' if prompt else ''}: {crossing_text(found)}")
    if report.fits:
        lines += ["", f"{'law':34} {'support':>9} {'behind':>8} {'p-value':>8}"]
        for f in report.fits:
            p = ", ".join(f"{x:.2g}" for x in f.p_ref[:3])
            out = "" if f.p_value > report.options.level else "  left out"
            lines.append(f"{BY_NAME[f.law].text:34} {p:>9} {f.delta:8.1f} {f.p_value:8.3f}{out}")
        lines.append(f"(behind: log-likelihood below the best; a true law is left out in at most "
                     f"{100 * report.options.level:g} % of sweeps)")  # fmt: skip
    if report.expected:
        lines.append(f"the settings ask for: {BY_NAME[report.expected].text}")
    for s in report.slopes:
        beta = f", beta {s.beta:.4g}" if math.isfinite(s.beta) else ""
        if math.isnan(s.inverse_tau):
            lines.append(f"{s.run}{beta}: the reward is constant within prompts; no slope")
            continue
        tau = f"{1 / s.inverse_tau:.4g}" if s.inverse_tau > 0 else "not positive"
        lines.append(f"{s.run}{beta}: effective temperature {tau} (slope {s.inverse_tau:.4g} +- "
                     f"{s.error:.2g}), R^2 {s.r_squared:.3f}, KL to the Gibbs family about "
                     f"{s.distance:.2g} from {s.answers} answers"
                     + (", two reward levels" * (s.levels == 2)))  # fmt: skip
    if report.messages:
        lines += ["", *dict.fromkeys(map(str, report.messages))]
    wide = ("law  ", *(BY_NAME[f.law].text for f in report.fits))
    fold = TextWrapper(width=_WIDTH, subsequent_indent="    ", break_on_hyphens=False).fill
    return "\n".join(x if x.startswith(wide) else fold(x) for x in lines) + "\n"


def as_json(report: Report) -> dict[str, Any]:
    """Turn a report into plain lists, dictionaries and numbers; what is not finite becomes null.

    Examples
    --------
    >>> as_json(Report())["answer"]
    'no data'
    """
    table = {
        "answer": report.answer,
        "headline": headline(report),
        "families": report.families,
        "crossings": {k or "all": c._asdict() for k, c in report.crossings.items()},
        "laws": [
            {k: v for k, v in f._asdict().items() if k != "predicted"}
            | {"text": BY_NAME[f.law].text, "family": BY_NAME[f.law].family,
               "delta_aic": 2 * f.delta, "left": f.p_value > report.options.level}
            for f in report.fits
        ],
        "expected": report.expected or None,
        "assumed": None if report.sweep is None else {
            "gap": report.sweep.gap, "group": report.sweep.group, "ddof": report.sweep.ddof,
            "p_ref": report.sweep.p_ref, "slack": report.options.slack,
            "level": report.options.level, "dispersion": report.dispersion,
        },
        "logistic": None if report.logistic is None else
        dict(zip(("gap", "p_ref"), report.logistic, strict=True)),
        "runs": [
            {"name": p.run.name, "beta": p.run.beta, "prompt": p.run.prompt, "state": p.state,
             "used": p in report.used, "success": p.success, "answers": p.drawn, "worth": p.n,
             "drift": p.drift, "drift_se": p.drift_se, "p_drift": p.p_drift}
            for p in report.points
        ],
        "slopes": [s._asdict() for s in report.slopes],
        "messages": [m._asdict() for m in report.messages],
    }  # fmt: skip
    return _plain(table)


def _plain(x: Any) -> Any:
    if isinstance(x, dict):
        return {k: _plain(v) for k, v in x.items()}
    if isinstance(x, list | tuple):
        return [_plain(v) for v in x]
    if isinstance(x, bool) or x is None or isinstance(x, str | int):
        return x
    return float(x) if math.isfinite(x) else None
