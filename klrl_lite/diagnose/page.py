"""A report as one HTML file: no request to anywhere, light and dark."""

import io
import re
from html import escape
from typing import Any

import numpy as np

from .core import Report
from .laws import BY_NAME, PRICES, curves
from .text import crossing_text, headline

_STYLE = """
:root { color-scheme: light dark; --ink: #1c1c1c; --paper: #fff; --line: #ccc; --soft: #f3f3f3;
  --doubt: #a13c00; }
@media (prefers-color-scheme: dark) { :root { --ink: #e8e8e8; --paper: #16181b; --line: #4a4d52;
  --soft: #23262b; --doubt: #ff9d5c; } }
body { margin: 0 auto; padding: 1rem; max-width: 46rem; color: var(--ink);
  background: var(--paper); font: 1rem/1.5 system-ui, sans-serif; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.15rem; margin-top: 2rem; }
.answer { padding: .8rem 1rem; border-left: .3rem solid currentColor; background: var(--soft);
  font-size: 1.1rem; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-size: .9rem; }
th, td { padding: .25rem .6rem; border-bottom: 1px solid var(--line); text-align: right;
  white-space: nowrap; }
th:first-child, td:first-child { text-align: left; }
.out { opacity: .65; } .doubt { color: var(--doubt); font-weight: 600; }
figure { margin: 1rem 0; } figure svg { width: 100%; height: auto; }
@media (prefers-color-scheme: dark) { figure svg { filter: invert(1) hue-rotate(180deg); } }
"""


def as_html(report: Report) -> str:
    """Write a report as a page.

    Parameters
    ----------
    report : Report

    Returns
    -------
    str
        Complete HTML; figures (if matplotlib is installed) are inside it, as SVG.

    Examples
    --------
    >>> as_html(Report()).startswith("<!doctype html>")
    True
    """
    parts = [f"<h1>Diagnosis of a sweep</h1><p class=answer>{escape(headline(report))}</p>"]
    if report.messages:
        rows = (
            f"<li><span class={escape(m.kind.replace(' ', '-'))}>{escape(m.kind)}</span>: "
            f"{escape(str(m).removeprefix(m.kind + ': '))}</li>"
            for m in dict.fromkeys(report.messages)
        )
        parts.append(f"<h2>Read this first</h2><ul>{''.join(rows)}</ul>")
    parts += _figures(report)
    if report.crossings:
        items = (f"<li>{escape(k + ': ' if k else '')}{escape(crossing_text(c))}</li>"
                 for k, c in report.crossings.items())  # fmt: skip
        parts.append(f"<h2>Crossing of one half</h2><ul>{''.join(items)}</ul>")
    if report.fits:
        parts.append(_laws(report))
    if report.slopes:
        parts.append(_slopes(report))
    if report.points:
        parts.append(_runs(report))
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>Diagnosis of a sweep</title><style>{_STYLE}</style></head>"
        f"<body><main>{''.join(parts)}</main></body></html>\n"
    )


def _table(caption: str, head: list[str], rows: list[tuple[bool, list[str]]]) -> str:
    top = "".join(f'<th scope="col">{escape(h)}</th>' for h in head)
    body = ""
    for strong, cells in rows:
        inside = "".join(f"<td>{escape(c)}</td>" for c in cells)
        body += f"<tr{'' if strong else ' class=out'}>{inside}</tr>"
    return (
        f"<p>{escape(caption)}</p>"
        f'<div class=wide tabindex="0"><table aria-label="{escape(caption)}"><thead><tr>'
        f"{top}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def _laws(report: Report) -> str:
    level = report.options.level
    rows = [
        (f.p_value > level,
         [BY_NAME[f.law].text, ", ".join(f"{p:.3g}" for p in f.p_ref), f"{f.delta:.1f}",
          f"{2 * f.delta:.1f}", f"{f.p_relative:.3f}", f"{f.p_fit:.3f}",
          "left" if f.p_value > level else "left out"])
        for f in report.fits
    ]  # fmt: skip
    head = ["law", "support", "behind", "ΔAIC", "p (others)", "p (fit)", ""]
    caption = (
        "Each law at its best support. Behind: log-likelihood below the best. The p-values come "
        "from sweeps drawn from the law itself; "
        f"a true law is left out in at most {100 * level:g} % of sweeps."
    )
    asked = (
        f"<p>The trainer's settings ask for: {escape(BY_NAME[report.expected].text)}.</p>"
        if report.expected
        else ""
    )
    return f"<h2>Laws</h2>{_table(caption, head, rows)}{asked}"


def _runs(report: Report) -> str:
    rows = []
    for p in report.points:
        drift = "" if np.isnan(p.p_drift) else f"{p.drift:+.3f} ± {p.drift_se:.3f}"
        drawn = "" if np.isnan(p.drawn) else f"{p.drawn:.0f}"
        rows.append((p in report.used, [p.run.name, f"{p.run.beta:.4g}", f"{p.success:.4f}", drawn,
                                        f"{p.n:.0f}", drift, p.state]))  # fmt: skip
    head = ["run", "beta", "success", "answers", "worth", "change over the tail", "state"]
    caption = "The tail of each run. Worth: independent answers with the same error."
    return f"<h2>Runs</h2>{_table(caption, head, rows)}"


def _slopes(report: Report) -> str:
    rows = [
        (True, [s.run, f"{s.beta:.4g}", f"{s.inverse_tau:.4g} ± {s.error:.2g}",
                f"{1 / s.inverse_tau:.4g}" if s.inverse_tau > 0 else "", f"{s.r_squared:.3f}",
                f"{s.distance:.3g}", str(s.answers)])
        for s in report.slopes
    ]  # fmt: skip
    head = ["run", "beta", "slope", "effective temperature", "R²", "KL to Gibbs", "answers"]
    caption = "Regression of log(pi/pi_ref) on the reward, within prompts."
    return f"<h2>Effective temperatures</h2>{_table(caption, head, rows)}"


def _figures(report: Report) -> list[str]:
    if not report.points:
        return []
    try:
        from ..plots import your_runs
    except ImportError:
        return ["<p>No figures: matplotlib is not installed (pip install 'klrl-lite[plots]').</p>"]
    found = [c for c in report.crossings.values() if c.state == "crosses"]
    span = (found[0].low, found[0].high) if len(report.crossings) == 1 and found else None
    drawn = [
        (your_runs.sweep(points_of(report), laws_of(report), span),
         f"Success of {len(report.points)} runs against beta, with the laws that were fitted. "
         + headline(report), "Success against beta. Bars: one standard error. Shaded: the "
         "crossing's 95 % interval."),
        (your_runs.tails(tails_of(report)), "Success along the runs: " + _states(report),
         "Success as logged; strong: the tail that is averaged."),
    ]  # fmt: skip
    return [_svg(figure, alt, text, i) for i, (figure, alt, text) in enumerate(drawn)]


def _states(report: Report) -> str:
    states = [p.state for p in report.points]
    return ", ".join(f"{states.count(s)} {s}" for s in dict.fromkeys(states)) + "."


def points_of(report: Report) -> dict[str, Any]:
    """Beta, success, error and use of every run, for `plots.your_runs.sweep`.

    Examples
    --------
    >>> points_of(Report())["beta"].size
    0
    """
    P = np.array([p.success for p in report.points])
    n = np.array([p.n if p.n > 0 else np.inf for p in report.points]) / report.dispersion
    return {
        "beta": np.array([p.run.beta for p in report.points]),
        "success": P,
        "error": np.sqrt(P * (1 - P) / n),
        "used": np.array([p in report.used for p in report.points]),
    }


def laws_of(report: Report) -> dict[str, Any]:
    """Curves of the laws at their best support (of the first prompt), for the same figure.

    Examples
    --------
    >>> laws_of(Report())
    {}
    """
    if report.sweep is None:
        return {}
    s = report.sweep
    betas = np.geomspace(s.beta.min() / 1.1, s.beta.max() * 1.1, 120)
    found = {}
    for f in report.fits:
        price = float(np.log1p(-f.p_ref[0]) - np.log(f.p_ref[0]))
        price = min(max(price, PRICES[0]), PRICES[-1])
        curve = curves(f.law, tuple(betas.tolist()), s.group, s.gap, s.ddof, (price,))[0, 0]
        found[f.law] = (BY_NAME[f.law].short, betas, curve, f.p_value > report.options.level)
    return found


def tails_of(report: Report) -> dict[str, Any]:
    """Steps, success, start of the tail and state of every run, for `plots.your_runs.tails`.

    Examples
    --------
    >>> tails_of(Report())
    {}
    """
    share = 1.0 - report.options.tail
    return {
        f"{i} {p.run.name}": (p.run.step, p.run.success,
                              min(len(p.run.step) - 1, int(share * len(p.run.step))), p.state)
        for i, p in enumerate(report.points)
    }  # fmt: skip


def _svg(figure: Any, alt: str, caption: str, number: int) -> str:
    """A figure as inline SVG: no address, no id that another figure has too."""
    import matplotlib as mpl
    import matplotlib.pyplot as plt

    with mpl.rc_context({"svg.hashsalt": f"diagnose-{number}", "svg.fonttype": "path"}):
        buffer = io.StringIO()
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    plt.close(figure)
    svg = buffer.getvalue()
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r' xmlns(:\w+)?="[^"]*"', "", svg)
    svg = re.sub(r'(id="|url\(#|href="#)', rf"\g<1>f{number}-", svg)
    svg = svg.replace("<svg", f'<svg role="img" aria-label="{escape(alt, quote=True)}"', 1)
    return f"<figure>{svg}<figcaption>{escape(caption)}</figcaption></figure>"
