"""What every public function does with wrong input: an error that names the argument."""

import numpy as np
import pytest
from samples import N_ACTIONS, PUBLIC, draw_role

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
}

#: What is fine for a role although it is in ANY.
FINE = {
    "logits": {"-inf"},
    "policy": set(),
    # An elementwise function with a limit there, and NaN stays NaN.
    "excess": {"nan", "+inf", "-inf"},
    "t": {"+inf"},
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
    "actions": {**NO_ACTIONS, "other count": (lambda x: np.ones(3), ValueError)},
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

#: A single argument has nothing to disagree with.
ALONE = {"entropy", "log_normalize", "project_to_simplex"}
OTHER_COUNTS = {"another number of actions", "one action for all", "other count"}
#: An expectation is a sum over whatever weights it gets.
WEIGHTS = {"expect": "log_p"}


def cases():
    for name, (_, roles) in PUBLIC.items():
        for argument, role in roles.items():
            fine = FINE.get(role, set()) | FINE.get(name, set()) | FINE.get(argument, set())
            table = {k: v for k, v in ANY.items() if k not in fine} | ROLE[role]
            for kind, (spoil, error) in table.items():
                if name in ALONE and kind in OTHER_COUNTS:
                    continue
                if WEIGHTS.get(name) == argument and kind == "all impossible":
                    continue
                if role == "policy" and kind == "-inf":
                    continue  # the mass is lost: the same case as "unnormalized"
                yield pytest.param(name, argument, spoil, error, id=f"{name}-{argument}-{kind}")


@pytest.mark.parametrize(("name", "argument", "spoil", "error"), list(cases()))
def test_wrong_input_is_refused_by_name(name, argument, spoil, error):
    function, roles = PUBLIC[name]
    rng = np.random.default_rng(1)
    args = {a: draw_role(role, rng) for a, role in roles.items()}
    args[argument] = spoil(args[argument])
    with pytest.raises(error, match=rf"\b{argument}\b") as caught:
        function(*args.values())
    # Our own sentence, not one of NumPy's that happens to contain the letter.
    assert "must" in str(caught.value) or "must" in str(caught.value.__cause__)


@pytest.mark.parametrize("name", [n for n, (_, roles) in PUBLIC.items() if len(roles) > 1])
def test_shapes_that_do_not_broadcast(name):
    function, roles = PUBLIC[name]
    rng = np.random.default_rng(1)
    batches = [(2,), (3,)] + [()] * len(roles)
    for order in (batches, batches[1::-1] + batches[2:]):
        pairs = zip(roles.values(), order, strict=False)
        args = [draw_role(role, rng, batch) for role, batch in pairs]
        with pytest.raises(ValueError, match="broadcast") as caught:
            function(*args)
        assert any(f"{argument} (" in str(caught.value) for argument in roles)
    # And the last argument against the first.
    batches = [(2,), *[()] * (len(roles) - 2), (3,)]
    args = [draw_role(role, rng, b) for role, b in zip(roles.values(), batches, strict=True)]
    with pytest.raises(ValueError, match="must broadcast together; got"):
        function(*args)


@pytest.mark.parametrize("name", PUBLIC)
def test_the_message_shows_the_value(name):
    # A run of 50,000 cells that fails on one must say which.
    function, roles = PUBLIC[name]
    if name == "excess":
        return
    rng = np.random.default_rng(1)
    args = {a: draw_role(role, rng, (3,)) for a, role in roles.items()}
    first = next(iter(args))
    args[first][1] = np.nan
    with pytest.raises(ValueError, match=r"nan.* at index \(1"):
        function(*args.values())
