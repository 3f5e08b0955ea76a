"""Units of a sweep: success in [0, 1], the reward's gap, and no run twice."""

import numpy as np

from .doubts import two_levels
from .messages import BadInput, Message, some
from .options import Options
from .runs import Run
from .settle import point_of


def check_units(runs: list[Run], options: Options, messages: list[Message]) -> float | None:
    """Bring success rates to [0, 1] and find the reward of a right answer.

    Parameters
    ----------
    runs : list of Run
        Changed in place.
    options : Options
    messages : list of Message
        Remarks are added here.

    Returns
    -------
    float or None
        The gap, given or measured.

    Raises
    ------
    BadInput
        For percent without `--percent`, mixed units, and rates outside the range.

    Examples
    --------
    >>> from .runs import of_numbers
    >>> run = of_numbers(0.1, [20.0, 40.0])
    >>> check_units([run], Options(percent=True, gap=1.0), [])
    1.0
    >>> run.success.tolist()
    [0.2, 0.4]
    """
    for run in runs:
        low = int(np.argmin(run.success))
        if run.success[low] < 0:
            raise BadInput(f"a success rate of {run.success[low]:g}.", "Map the share of right "
                           "answers, not a reward that can be negative.",
                           run.where[low])  # fmt: skip
    tops = np.array([run.success.max() for run in runs])
    first = runs[int(np.argmax(tops > 1.0))]
    place = first.where[int(np.argmax(first.success > 1.0))]
    gap = options.gap
    if options.percent:
        if tops.max() <= 1.0:
            raise BadInput("no success rate above 1 %.", "Is it a fraction? Then leave --percent "
                           "out.", "--percent")  # fmt: skip
        _divide(runs, 100.0, place)
    elif tops.max() > 1.0:
        levels = two_levels([point_of(r, options.tail) for r in runs])
        from_reward = all("reward" in r.extra and np.array_equal(r.extra["reward"], r.success)
                          for r in runs)  # fmt: skip
        if from_reward and levels and levels[1] < 1.0 and levels[0] >= tops.max() * 0.999:
            gap = gap or _round(levels[0])
            messages.append(Message("note", f"the reward goes up to {tops.max():g}; its deviation "
                                    f"fits two levels, 0 and {gap:g}: success is reward/{gap:g}.",
                                    "If it is not so, map the success rate."))  # fmt: skip
            _divide(runs, gap, place)
        elif (tops > 1.0).all():
            raise BadInput(f"success rates up to {tops.max():g}.", "In percent? Then add "
                           "--percent. A reward? Then map the share of right answers with --map "
                           "success=COLUMN.", place)  # fmt: skip
        else:
            small = [r.name for r, t in zip(runs, tops, strict=True) if t <= 1.0]
            raise BadInput(f"success is above 1 here, but never in {some(small)}: percent and "
                           "fractions are mixed.", "Bring the files to one unit.",
                           place)  # fmt: skip
    return _gap(runs, options, messages) if gap is None else gap


def _divide(runs: list[Run], unit: float, place: str) -> None:
    for run in runs:
        run.success = run.success / unit
        if run.success.max() > 1.001:  # less is the rounding of a log
            raise BadInput(f"a success rate of {run.success.max():.4g} in units of {unit:g}.",
                           "Correct the unit.", place)  # fmt: skip
        run.success = np.minimum(run.success, 1.0)


def _round(gap: float) -> float:
    """A measured gap is most likely a round number, if it is near one."""
    near = float(f"{gap:.2g}")
    return near if abs(near / gap - 1) < 0.02 else gap


def _gap(runs: list[Run], options: Options, messages: list[Message]) -> float | None:
    """Reward of a right answer from what was logged beside the success."""
    points = [point_of(r, options.tail) for r in runs]
    apart = [(p.success, float(np.mean(p.run.extra["reward"][p.first :])))
             for p in points if "reward" in p.run.extra
             and not np.allclose(p.run.extra["reward"], p.run.success, equal_nan=True)]  # fmt: skip
    success = np.array([s for s, _ in apart])
    if len(apart) >= 2 and np.ptp(success) > 0.1:
        reward = np.array([r for _, r in apart])
        slope, start = np.polyfit(success, reward, 1)
        off = np.abs(reward - start - slope * success).max()
        if slope > 0 and off < 0.03 * slope:
            gap = _round(float(slope))
            if gap != 1.0:
                what = f"reward rises by {gap:g} from wrong to right answers: taken as the gap."
                messages.append(Message("note", what, "Or give --gap."))
            return gap
        messages.append(Message("doubt", "reward is no straight line in success: it pays for more "
                                "than right answers.", "The laws here are for right and "
                                "wrong."))  # fmt: skip
        return 1.0
    levels = two_levels(points)
    return 1.0 if levels and levels[1] < 1.0 and abs(levels[0] - 1) < 0.05 else None


def without_copies(runs: list[Run], messages: list[Message]) -> list[Run]:
    """Drop runs whose log is another run's, entry for entry.

    Examples
    --------
    >>> from .runs import of_numbers
    >>> run = of_numbers(0.1, np.linspace(0.1, 0.2, 9))
    >>> len(without_copies([run, run], []))
    1
    """
    kept: list[Run] = []
    for run in runs:
        twin = next((k for k in kept if len(run.success) > 5 and k.beta == run.beta
                     and k.prompt == run.prompt and np.array_equal(k.success, run.success)
                     and np.ptp(run.success) > 0), None)  # fmt: skip
        if twin is None:
            kept.append(run)
        else:
            messages.append(Message("left out", f"{run.name!r} repeats {twin.name!r} entry for "
                                    "entry: a copy, or two runs with one seed. Counted once.",
                                    where=run.where[0]))  # fmt: skip
    return kept
