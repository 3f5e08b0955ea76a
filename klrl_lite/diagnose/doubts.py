"""Reasons to mistrust a sweep: what is wrong with it although every file can be read."""

import numpy as np

from .messages import Message, some
from .runs import Run
from .settle import Point, common_drift


def two_levels(points: list[Point]) -> tuple[float, float] | None:
    """Gap of a reward with levels 0 and gap, from logged means and deviations.

    For such a reward E[r^2] = gap E[r], whatever the success. So (var + mean^2)/mean is the gap
    in every run, and not the same number in all runs if there is a third level.

    Only entries between 0.2 and 0.8 are used: elsewhere averages of deviations over several steps
    are too small.

    Parameters
    ----------
    points : list of Point
        Of runs with the columns `reward` and `reward_std`.

    Returns
    -------
    gap, spread
        Median over runs, and the spread between them in units of what small batches explain (above
        1 there is a third level); None if nothing can be said.

    Examples
    --------
    >>> from .runs import of_numbers
    >>> from .settle import point_of
    >>> run = of_numbers(0.1, [0.5] * 8, 1e9, reward=[1.5] * 8, reward_std=[1.5] * 8)
    >>> gap, spread = two_levels([point_of(run, 0.5)])
    >>> round(gap, 6), spread
    (3.0, 0.0)
    """
    found, steps = [], []
    for p in points:
        mean, std = (p.run.extra.get(k) for k in ("reward", "reward_std"))
        if mean is None or std is None:
            continue
        n = p.run.n[p.first :]
        each = np.where(np.isfinite(n) & (n > 1), n, np.inf)
        with np.errstate(divide="ignore", invalid="ignore"):
            gap = (std[p.first :] ** 2 * (1 - 1 / each) + mean[p.first :] ** 2) / mean[p.first :]
        share = mean[p.first :] / gap
        gap = gap[(share > 0.2) & (share < 0.8)]
        if gap.size:
            found.append(float(np.median(gap)))
            steps.append(np.nanmedian(each / np.diff(p.run.step, prepend=0.0)[p.first :]))
    if not found:
        return None
    middle = float(np.median(found))
    allowed = 0.08 + 1.5 / float(np.median(steps))
    return middle, float(np.ptp(found) / middle / allowed)


def mixture(points: list[Point]) -> list[str]:
    """Runs in which more groups are all right or all wrong than one success rate allows.

    With one P, that share is P^G + (1 - P)^G; with prompts of different P it is larger.

    Parameters
    ----------
    points : list of Point

    Returns
    -------
    list of str
        Names of runs that are 0.05 and four standard errors above.

    Examples
    --------
    >>> from .runs import of_numbers
    >>> from .settle import point_of
    >>> run = of_numbers(0.1, [0.5] * 8, zero_std=[1.0] * 8)
    >>> run.group = 16
    >>> mixture([point_of(run, 0.5)])
    ['beta 0.1']
    """
    found = []
    for p in points:
        flat, group = p.run.extra.get("zero_std"), p.run.group
        if flat is None or not group >= 2:
            continue
        half = len(flat) // 2
        seen = float(np.nanmean(flat[half:]))
        P = float(np.mean(p.run.success[half:]))
        expected = P**group + (1 - P) ** group
        groups = max(1.0, float(np.nan_to_num(p.run.n[half:].sum(), nan=1.0)) / group)
        slope = group * abs(P ** (group - 1) - (1 - P) ** (group - 1))
        error = np.sqrt((expected * (1 - expected) + slope**2 * P * (1 - P) / group) / groups)
        if seen > expected + 0.05 + 4 * error:
            found.append(p.run.name)
    return found


def beginning(points: list[Point]) -> tuple[float, float, float] | None:
    """Success with which the runs began, a first look at the support, and its interval.

    Parameters
    ----------
    points : list of Point

    Returns
    -------
    success, low, high
        Four standard errors around the mean of the first entries; None if runs have too few
        entries, or their numbers of answers are not known.

    Examples
    --------
    >>> from .runs import of_numbers
    >>> from .settle import point_of
    >>> beginning([point_of(of_numbers(0.1, np.full(40, 0.25)), 0.5)] * 4)[0]
    0.25
    """
    known = [p.run for p in points if len(p.run.n) >= 20 and p.run.n[0] > 0]
    if not known:
        return None
    n = np.array([run.n[0] for run in known])
    rate = np.array([run.success[0] for run in known])
    mean = float(n @ rate / n.sum())
    spread = max(mean * (1 - mean), 1.0 / n.sum()) / n.sum()
    error = 4.0 * float(np.sqrt(max(spread, rate.var() / len(rate))))
    return mean, max(mean - error, 0.0), mean + error


def doubts(runs: list[Run], points: list[Point], used: list[Point]) -> list[Message]:
    """Everything that speaks against taking the answer at face value.

    Parameters
    ----------
    runs : list of Run
    points : list of Point
        All of them.
    used : list of Point
        Those that the laws are fitted to.

    Returns
    -------
    list of Message
        Of kind "doubt" (the law is then withheld), "left out" or "note".

    Examples
    --------
    >>> from .runs import of_numbers
    >>> from .settle import point_of
    >>> run = of_numbers(0.1, np.zeros(60))
    >>> print(doubts([run], [point_of(run, 0.5)], [])[0].what)
    1 of 1 runs saw fewer than ten right answers in all: discovery limits them, not equilibrium.
    """
    found = []
    moving = [p.run.name for p in points if p.state == "drifting"]
    if moving:
        found.append(Message("left out", f"{len(moving)} of {len(points)} runs still move at their "
                             "end; not used for laws and crossing.", "Train on, or raise the "
                             "learning rate.", some(moving)))  # fmt: skip
    if len(moving) > 0.34 * len(points):
        found.append(Message("doubt", "more than a third of the runs have not settled: the others "
                             "may only be slower.", "Train all runs on."))  # fmt: skip
    unseen = [p.run.name for p in points if p.state == "nothing found"]
    if unseen:
        found.append(Message("left out", f"{len(unseen)} of {len(points)} runs saw fewer than ten "
                             "right answers in all: discovery limits them, not equilibrium.",
                             "Start them from a policy that is right more often, or draw more.",
                             some(unseen)))  # fmt: skip
    short = [p.run.name for p in used if p.state == "too short"]
    if short:
        found.append(Message("note", f"{len(short)} runs have fewer than six entries in their "
                             "tail: whether they have settled was not tested.",
                             where=some(short)))  # fmt: skip
    nats, z = common_drift(used)
    if abs(z) > 3.5 and abs(nats) > 0.05:
        found.append(Message("doubt", f"the runs move {'up' if nats > 0 else 'down'} together at "
                             f"their end, by {abs(nats):.2f} nats of log-odds (z = {z:.1f}): none "
                             "is at equilibrium.", "Train on."))  # fmt: skip
    mixed = mixture(points)
    if mixed:
        found.append(Message("doubt", "more groups are all right or all wrong than one success "
                             "rate allows: prompts of different difficulty are mixed.",
                             "Log each prompt by itself (--map prompt=COLUMN): an average of laws "
                             "is none of them.", some(mixed)))  # fmt: skip
    levels = two_levels(points)
    if levels and levels[1] > 1.0:
        found.append(Message("doubt", "mean and deviation of the reward do not fit two levels, 0 "
                             "and one other (partial credit, several rewards, or a penalty).",
                             "The laws here are for right and wrong."))  # fmt: skip
    long = [p.run.name for p in used
            if (p.run.extra.get("length", np.zeros(1)) > 1.5).mean() > 0.5]  # fmt: skip
    if long:
        found.append(Message("note", "answers have several tokens, and TRL's penalty acts on each "
                             "token: the laws here are those of a penalty on whole answers, which "
                             "differ where early tokens decide.", where=some(long)))  # fmt: skip
    asked = ("scale_rewards", "use_bias_correction_kl")
    settings = {tuple(str(r.settings.get(key)) for key in asked) for r in runs}
    if len(settings) > 1:
        found.append(Message("doubt", "runs with different scale_rewards or use_bias_correction_kl "
                             "are mixed.", "Diagnose them apart."))  # fmt: skip
    if any(str(r.settings.get("scale_rewards")) == "batch" for r in runs):
        found.append(Message("note", "scale_rewards='batch': with several prompts, one std for all "
                             "is not one temperature for each."))  # fmt: skip
    return found
