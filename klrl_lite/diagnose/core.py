"""From files to an answer."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from .. import thresholds
from .crossing import CrossingFound, find_crossing
from .doubts import beginning, doubts
from .fit import LawFit, Sweep, compare, families
from .laws import BY_NAME
from .messages import BadInput, Message, some
from .options import Options
from .runs import Run, number, runs_of
from .settle import SATURATED, Point, move_together, point_of
from .slope import Slope, slopes_of
from .sources import tables
from .units import check_units, without_copies


@dataclass
class Report:
    """What was found; see `diagnose`.

    Attributes
    ----------
    answer : {"law", "cannot tell", "none", "withheld", "no data"}
        One family of laws is left; several are; none is; one would be, but there are doubts; or
        nothing could be fitted.
    families : list of str
        Families of laws that are left, best first.
    points, used : list of Point
        All runs; those that laws and crossing rest on.
    crossings : dict
        Prompt -> CrossingFound.
    fits : list of LawFit
    sweep : Sweep or None
        What was fitted.
    expected : str
        Law that the settings of the trainer ask for; "" if they are not known.
    logistic : tuple or None
        Gap and support of the best logistic curve in 1/beta.
    dispersion : float
        Variance between runs at one beta over what their answers allow; at least 1.
    slopes : list of Slope
    messages : list of Message
    options : Options
    """

    answer: str = "no data"
    families: list[str] = field(default_factory=list)
    points: list[Point] = field(default_factory=list)
    used: list[Point] = field(default_factory=list)
    crossings: dict[str, CrossingFound] = field(default_factory=dict)
    fits: list[LawFit] = field(default_factory=list)
    sweep: Sweep | None = None
    expected: str = ""
    logistic: tuple[float, float] | None = None
    dispersion: float = 1.0
    slopes: list[Slope] = field(default_factory=list)
    messages: list[Message] = field(default_factory=list)
    options: Options = field(default_factory=Options)


def diagnose(paths: list[str | Path], options: Options | None = None) -> Report:
    r"""Read a sweep and say what it shows.

    Parameters
    ----------
    paths : list of str or Path
        Folders of TRL runs, CSV files, JSON lines; or folders of those.
    options : Options, optional

    Returns
    -------
    Report

    Raises
    ------
    BadInput
        If the input cannot be used; the message says where and what to do.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "sweep.csv"
    >>> _ = path.write_text("beta,success,n\n0.1,0.9,500\n0.2,0.5,500\n0.4,0.1,500\n")
    >>> report = diagnose([path])
    >>> report.answer, round(report.crossings[""].beta, 3)
    ('none', 0.2)
    """
    options = options or Options()
    found, messages = tables(list(paths))
    report = Report(options=options, messages=messages)
    runs: list[Run] = []
    bad: list[Message] = []
    for table in found:
        try:
            slopes = slopes_of(table, options, messages)
            report.slopes += slopes
            if not slopes:
                runs += runs_of(table, options, messages)
        except BadInput as error:
            bad.append(error.message)
    if bad and not runs and not report.slopes:
        raise BadInput(bad[0].what, bad[0].do, bad[0].where)
    messages += [m._replace(kind="left out") for m in bad]
    if runs:
        is_trl = any(t.trl for t in found)
        _judge(report, runs, is_trl)
    return report


def _ddof(runs: list[Run], is_trl: bool) -> int:
    """Return what the std's denominator leaves out: 0, or 1 as in TRL."""
    given = {number(r.settings.get("ddof", 1 if is_trl else 0), "--set", "ddof") for r in runs}
    if given - {0.0, 1.0} or len(given) > 1:
        shown = ", ".join(f"{value:g}" for value in sorted(given))
        raise BadInput(f"ddof is {shown}.", "Use 0, or 1 if the std has Bessel's correction; the "
                       "same for all runs.", "--set")  # fmt: skip
    return int(given.pop())


def _judge(report: Report, runs: list[Run], is_trl: bool) -> None:
    options, messages = report.options, report.messages
    gap = check_units(runs, options, messages)
    runs = without_copies(runs, messages)
    points = move_together([point_of(r, options.tail) for r in runs])
    report.points = sorted(points, key=lambda p: p.run.beta)
    usable = [p for p in report.points if p.state not in ("drifting", "nothing found")]
    report.used = [p for p in usable if np.isfinite(p.n) and p.n > 0]
    lost = [p.run.name for p in usable if p not in report.used]
    if lost:
        messages.append(Message("left out", "how many answers stand behind these success rates is "
                                "not known.", "Give --samples N or --map n=COLUMN.",
                                some(lost)))  # fmt: skip
    messages += doubts(runs, report.points, report.used)
    if not report.used:
        return
    if gap is None:
        gap = 1.0
        messages.append(Message(
            "note", "the reward of a right answer is taken to be 1: neither reward_std nor a "
            "reward beside the success says.", "Give --gap if it is not. Laws with a std do not "
            "depend on it."))  # fmt: skip
    _one_prompt(report.used, messages)
    group = _group_size(report, messages)
    ddof = _ddof(runs, is_trl)
    prompts = sorted({p.run.prompt for p in report.used})
    beta = np.array([p.run.beta for p in report.used])
    success = np.array([p.success for p in report.used])
    prompt = np.array([prompts.index(p.run.prompt) for p in report.used])
    n = np.array([min(p.n, 1e7) for p in report.used])
    cell = np.unique(np.stack([beta, prompt]), axis=1, return_inverse=True)[1].ravel()
    report.dispersion = _dispersion(success, n, cell)
    n = n / report.dispersion
    rng = np.random.default_rng(options.seed)
    for i, name in enumerate(prompts):
        mine = prompt == i
        report.crossings[name] = find_crossing(beta[mine], success[mine], n[mine], rng=rng)
    middle = (success * n + 0.5) / (n + 1)
    common = np.bincount(cell)[cell] * middle * (1 - middle) * options.slack**2
    n = 1 / (1 / n + common)
    report.sweep = Sweep(beta, success, n, prompt, group, gap, ddof, options.p_ref)
    report.fits = compare(report.sweep, rng=rng, resamples=options.resamples)
    report.families = families(report.fits, options.level)
    report.expected = _expected(runs)
    began = beginning(report.used)
    best = report.fits[0].p_ref
    named = len(report.families) == 1 and len(best) == 1
    if began and named and not began[1] / 1.5 <= best[0] <= began[2] * 1.5:
        said = f"the runs began at a success of {began[0]:.2g}, "
        if options.p_ref is None:
            messages.append(Message(
                "doubt", f"{said}but the best law needs a support of {best[0]:.2g}: another law "
                "may be at work.", "Measure the reference and give --p-ref (if the runs did not "
                "start from it, that settles it)."))  # fmt: skip
        else:
            messages.append(Message(
                "note", f"{said}not at the support that was given.",
                "The first entry may cover several updates already."))  # fmt: skip
    if len(prompts) == 1 and len(np.unique(beta)) > 1:
        fit = thresholds.fit_crossing(beta, success, n)
        if fit.converged and fit.tau * fit.log_odds > 1e-3:
            p = 1 / (1 + np.exp(float(fit.log_odds)))
            report.logistic = float(fit.tau * fit.log_odds), p
    _answer(report)


def _answer(report: Report) -> None:
    left = len(report.families)
    report.answer = "none" if left == 0 else "law" if left == 1 else "cannot tell"
    if any(m.kind == "doubt" for m in report.messages):
        report.answer = "withheld"
    law = report.expected
    if law and left and BY_NAME[law].family not in report.families:
        report.messages.append(Message(
            "note", f"the settings ask for {BY_NAME[law].text!r}, and that law is left out.",
            "Other things act as well: clipping, several updates per batch, per-token terms, "
            "floors; or the run is not at equilibrium."))  # fmt: skip
    if report.answer == "none" and report.sweep:
        best, sweep = report.fits[0], report.sweep
        P = best.predicted
        off = (np.minimum(sweep.success, SATURATED) - P) / np.sqrt(P * (1 - P) / sweep.n)
        far = np.argsort(-np.abs(off))[:3]
        listed = "; ".join(f"{report.used[i].run.name} ({off[i]:+.1f} errors)" for i in far)
        report.messages.append(Message(
            "note", f"furthest from {BY_NAME[best.law].text!r}, the best: {listed}.",
            "Runs that are slow to settle stay on the side from which they come."))  # fmt: skip
    if report.answer == "none" and report.logistic and report.sweep:
        scale, p = report.logistic
        report.messages.append(Message(
            "note", f"a logistic curve in 1/beta would need a gap of {scale:.3g} where "
            f"{report.sweep.gap:g} was assumed, and a support of {p:.2g}.",
            "If that is the reward of a right answer, give --gap."))  # fmt: skip


def _one_prompt(used: list[Point], messages: list[Message]) -> None:
    if not any(p.run.prompt or "zero_std" in p.run.extra for p in used):
        messages.append(Message("note", "nothing in the log says whether it holds one prompt or "
                                "several: one is assumed.", "Prompts of different difficulty "
                                "average to a curve that can look like another law."))  # fmt: skip


def _group_size(report: Report, messages: list[Message]) -> float:
    sizes = sorted({p.run.group for p in report.used if np.isfinite(p.run.group)})
    if len(sizes) > 1:
        messages.append(Message("doubt", f"group sizes {some([f'{s:g}' for s in sizes])} are "
                                "mixed.", "Diagnose them apart."))  # fmt: skip
    if not sizes:
        messages.append(Message("note", "the group size is not known: only laws for large groups "
                                "are compared.", "Give --set num_generations=G."))  # fmt: skip
        return np.inf
    if sizes[0] < 2 or sizes[0] % 1:
        raise BadInput(f"a group size of {sizes[0]:g}.", "It must be a whole number of 2 or more.")
    return sizes[0]


def _dispersion(success, n, cell):
    """Pearson's statistic over its degrees of freedom, from runs at the same beta."""
    mass = np.bincount(cell, n)
    mean = (np.bincount(cell, n * success) / mass)[cell]
    inside = (mean > 0) & (mean < 1)
    free = inside.sum() - len(np.unique(cell[inside]))
    if free < 1:
        return 1.0
    spread = n[inside] * (success - mean)[inside] ** 2 / (mean * (1 - mean))[inside]
    return float(max(1.0, spread.sum() / free))


def _expected(runs: list[Run]) -> str:
    """Law that TRL's settings ask for, if all runs have the same and they are known."""
    scale = {str(r.settings.get("scale_rewards", "")).lower() for r in runs}
    right = {str(r.settings.get("use_bias_correction_kl", "")).lower() for r in runs}
    divides = scale <= {"group", "true"}
    plain = scale <= {"none", "false"}
    if not (divides or plain) or not right <= {"true", "false"} or len(right) != 1:
        return ""
    corrected = right == {"true"}
    if divides:
        law = "std" if corrected else "k3_std"
        return "std_group" if corrected and np.isfinite(runs[0].group) else law
    law = "gibbs" if corrected else "k3"
    return f"{law}_mean" if np.isfinite(runs[0].group) else law
