"""What is wrong with an argument: kinds by role, each with a way to spoil a valid value."""

import numpy as np
from calls import CALLS
from samples import N_ACTIONS, PUBLIC

from klrl_lite.signals import Signal

HALF = np.full(N_ACTIONS, -np.log(N_ACTIONS))


def with_first(base, value):
    """`base` with its first entry replaced."""
    changed = np.array(base, dtype=float)
    changed[(0,) * changed.ndim] = value
    return changed


#: Wrong whatever the role is: kind -> (how to spoil a valid value, the error).
ANY = {
    "nan": (lambda x: with_first(x, np.nan), ValueError),
    "+inf": (lambda x: with_first(x, np.inf), ValueError),
    "-inf": (lambda x: with_first(x, -np.inf), ValueError),
    "object": (lambda x: np.asarray(x).astype(object), TypeError),
    "None": (lambda x: None, TypeError),
    "text": (lambda x: "0.5", TypeError),
    "complex": (lambda x: np.asarray(x) + 0j, TypeError),
    "bool": (lambda x: np.asarray(x) > 0, TypeError),
    "masked": (lambda x: np.ma.masked_array(x, mask=np.zeros(np.shape(x), bool)), TypeError),
    "ragged": (lambda x: [[1.0], [1.0, 2.0]], ValueError),
    "dates": (lambda x: np.zeros(np.shape(x), "datetime64[s]"), TypeError),
    "dictionary": (lambda x: {1: 2.0}, TypeError),
}

#: What is fine for a role although it is in ANY.
FINE = {
    "logits": {"-inf"},
    "policy": set(),
    # An elementwise function with a limit there, and NaN stays NaN.
    "excess": {"nan", "+inf", "-inf"},
    "t": {"+inf"},
    # Infinity has a meaning: no limit, an infinite group, an infinite value of a run.
    "size": {"+inf"},
    "limit": {"+inf"},
    "state": {"+inf", "-inf"},
    # A ratio of an action that has died.
    "ratios": {"-inf"},
    "flags": {"bool"},
}

NO_ACTIONS = {
    "scalar": (lambda x: 0.0, ValueError),
    "no actions": (lambda x: np.zeros((2, 0)), ValueError),
}
#: Wrong for a role.
ROLE = {
    "policy": {
        **NO_ACTIONS,
        "unnormalized": (lambda x: np.asarray(x) + 1e-6, ValueError),
        "probabilities": (np.exp, ValueError),
        "all impossible": (lambda x: np.full(N_ACTIONS, -np.inf), ValueError),
        "float32": (lambda x: (np.asarray(x) + 1e-7).astype(np.float32), ValueError),
        "another number of actions": (lambda x: HALF[:2] + np.log(2.0), ValueError),
        "one action for all": (lambda x: np.zeros(1), ValueError),
    },
    "logits": {**NO_ACTIONS, "all impossible": (lambda x: np.full(N_ACTIONS, -np.inf), ValueError)},
    "actions": {**NO_ACTIONS, "other count": (lambda x: np.ones(5), ValueError)},
    "inside": NO_ACTIONS,
    "positive": {
        "zero": (lambda x: 0.0, ValueError),
        "negative": (lambda x: -1.0, ValueError),
    },
    "nonnegative": {"negative": (lambda x: -1.0, ValueError)},
    "support": {
        "negative": (lambda x: -0.1, ValueError),
        "above one": (lambda x: 1.1, ValueError),
    },
    "open support": {
        "negative": (lambda x: -0.1, ValueError),
        "zero": (lambda x: 0.0, ValueError),
        "one": (lambda x: 1.0, ValueError),
        "above one": (lambda x: 1.1, ValueError),
    },
    "real": {},
    "draws": {"half": (lambda x: 9.5, ValueError), "too few": (lambda x: 0, ValueError)},
    "right": {"half": (lambda x: 0.5, ValueError), "more than n": (lambda x: 100, ValueError)},
    "drawn": {"half": (lambda x: 1.5, ValueError), "zero": (lambda x: 0, ValueError)},
}
ZERO, NEGATIVE = (lambda x: 0.0 * x, ValueError), (lambda x: -1.0 - 0.0 * x, ValueError)
HALF_MORE, MANY = (lambda x: x + 0.5, ValueError), (lambda x: [x, x], ValueError)
NOTHING, ONE = (lambda x: [], ValueError), (lambda x: 1.0 + 0.0 * x, ValueError)
ABOVE = (lambda x: 1.5 + 0.0 * x, ValueError)
COUNT = {"half": HALF_MORE, "negative": NEGATIVE, "several": MANY, "empty": NOTHING}
NUMBER = {"several": MANY, "empty": NOTHING}

#: Wrong for a role of the table in `calls`.
ROLE |= {
    "alone": NO_ACTIONS,
    "theta": {**NO_ACTIONS, "other count": (lambda x: np.ones(17), ValueError)},
    "ratios": {**NO_ACTIONS, "other count": (lambda x: np.ones(17), ValueError)},
    "lengths": {**NO_ACTIONS, "zero": ZERO, "negative": NEGATIVE},
    "steps": {**NO_ACTIONS, "other count": (lambda x: np.ones(17), ValueError)},
    "chances": {**NO_ACTIONS, "zero": ZERO, "negative": NEGATIVE, "one": ONE, "above one": ABOVE},
    "path": {
        **NO_ACTIONS,
        "one policy": (lambda x: x[0], ValueError),
        "probabilities": (np.exp, ValueError),
    },
    "table": {},
    "times": {"negative": NEGATIVE, "backwards": (lambda x: x[::-1], ValueError)},
    "state": {},
    "seeds": {"half": HALF_MORE, "negative": NEGATIVE},
    "below half": {"zero": ZERO, "half": (lambda x: 0.5, ValueError)},
    "count": COUNT | {"zero": ZERO},
    "count0": COUNT,
    "count2": COUNT | {"one": ONE},
    "size": COUNT | {"one": ONE},
    "level": NUMBER,
    "one positive": NUMBER | {"zero": ZERO, "negative": NEGATIVE},
    "one nonnegative": NUMBER | {"negative": NEGATIVE},
    "one open support": NUMBER | {"zero": ZERO, "negative": NEGATIVE, "one": ONE, "above": ABOVE},
    "share": NUMBER | {"zero": ZERO, "negative": NEGATIVE, "one": ONE, "above one": ABOVE},
    "decay": NUMBER | {"negative": NEGATIVE, "one": ONE, "above one": ABOVE},
    "limit": NUMBER | {"negative": NEGATIVE},
    "flags": {"half": (lambda x: np.full(x.shape, 0.5), ValueError)},
}

#: Roles that are no numbers: all that can be wrong with them.
OPTIONS = {
    "flag": {
        "number": (lambda x: 1, TypeError),
        "None": (lambda x: None, TypeError),
        "text": (lambda x: "no", TypeError),
        "array": (lambda x: np.array([True, False]), TypeError),
    },
    "choice": {
        "unknown": (lambda x: "nonsense", ValueError),
        "None": (lambda x: None, ValueError),
        "number": (lambda x: 3, ValueError),
        "list": (lambda x: [x], ValueError),
    },
    "rng": {
        "seed": (lambda x: 0, TypeError),
        "legacy": (lambda x: np.random.RandomState(0), TypeError),
        "module": (lambda x: np.random, TypeError),
    },
    "signal": {
        "array": (lambda s: s.gain, TypeError),
        "None": (lambda s: None, TypeError),
        "nan": (lambda s: s._replace(gain=with_first(s.gain, np.nan)), ValueError),
        "infinity": (lambda s: s._replace(loss=with_first(s.loss, np.inf)), ValueError),
        "other count": (lambda s: Signal(*(part[:2] for part in s)), ValueError),
        "masked": (lambda s: s._replace(gain=np.ma.masked_array(s.gain)), TypeError),
    },
}

#: A single argument has nothing to disagree with.
ALONE = {"entropy", "group_advantages", "log_normalize", "project_to_simplex"}
OTHER_COUNTS = {"another number of actions", "one action for all", "other count"}

#: What one argument may be although its role could not, and why.
NOT_WRONG = {
    ("expect", "log_p"): {"all impossible"},  # a sum over whatever weights it gets
    ("counts", "log_pi"): OTHER_COUNTS,  # nothing to disagree with
    ("integrate", "log_pi0"): OTHER_COUNTS,  # only the field knows how many there are
    ("gae", "truncated"): {"None"},  # left out
    ("gae", "final_values"): {"None"},  # left out: another error where it is needed, see below
    **{(name, "log_ref"): {"None"} for name in ("ppo", "grpo", "group_signal")},  # the same
    ("group_signal", "n_groups"): {"None"},
    ("group_signal", "rng"): {"None"},
}


def ways_to_spoil(name, argument, role):
    """Kind -> (how to spoil a valid value, the error) for an argument of a table."""
    base, _, optional = role.partition(" or ")
    if base in OPTIONS:
        table = OPTIONS[base]
    else:
        fine = set().union(*(FINE.get(key, ()) for key in (base, name, argument))) | {optional}
        table = {kind: way for kind, way in (ANY | ROLE[base]).items() if kind not in fine}
    left_out = set(NOT_WRONG.get((name, argument), ()))
    if name in ALONE:
        left_out |= OTHER_COUNTS
    if base == "policy":
        left_out.add("-inf")  # the mass is lost: the same case as "unnormalized"
    return {kind: way for kind, way in table.items() if kind not in left_out}


def arguments_of(table):
    """Rows (function's name, argument, role) of a table, without what is to be left alone."""
    return [
        (name, argument, role)
        for name, (_, arguments) in table.items()
        for argument, spec in arguments.items()
        if (role := spec if isinstance(spec, str) else spec[0]) is not None
    ]


SPOILED = [*arguments_of(PUBLIC), *arguments_of(CALLS)]
