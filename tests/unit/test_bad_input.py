"""What every public function does with wrong input: an error that names the argument."""

import copy
import re

import numpy as np
import pytest
from calls import CALLS, NOT_HERE, functions, valid
from samples import ELSEWHERE, PUBLIC, draw_role, flat
from wrong import SPOILED, ways_to_spoil

from klrl_lite.signals import Signal


def drawn(name):
    """Valid arguments of a row of either table, by name."""
    if name in CALLS:
        return valid(name)
    rng = np.random.default_rng(1)
    return {a: draw_role(role, rng) for a, role in PUBLIC[name][1].items()}


def call(name, arguments):
    """Call the function of a row; those of the first table take their arguments by place."""
    if name in CALLS:
        return CALLS[name][0](**arguments)
    return PUBLIC[name][0](*arguments.values())


def arrays_in(arguments):
    return {k: np.ma.getdata(v) for k, v in arguments.items() if isinstance(v, np.ndarray)}


@pytest.mark.parametrize(("name", "argument", "role"), SPOILED)
def test_wrong_input_is_refused_by_name(name, argument, role):
    for kind, (spoil, error) in ways_to_spoil(name, argument, role).items():
        arguments = drawn(name)
        arguments[argument] = spoil(arguments[argument])
        before = copy.deepcopy(arrays_in(arguments))
        try:
            result = call(name, arguments)
        except error as refusal:
            said = f"{refusal}"
        else:
            pytest.fail(f"{argument}: {kind} is accepted and gives {result}")
        assert re.search(rf"\b{argument}\b", said), f"{kind}: {said}"
        # Our own sentence, not one of NumPy's that happens to contain the letter.
        assert "must" in said, f"{kind}: {said}"
        for other, value in arrays_in(arguments).items():
            np.testing.assert_array_equal(value, before[other], err_msg=f"{kind} changes {other}")


def test_the_ways_to_spoil_are_many():
    # Were the tables empty, the test above would pass and prove nothing.
    assert len(SPOILED) > 250
    assert sum(len(ways_to_spoil(*row)) for row in SPOILED) > 4000


@pytest.mark.parametrize(
    ("name", "argument", "says"),
    [
        ("gae", "final_values", "final_values must be given"),
        ("ppo", "log_ref", "log_ref must be given"),
        ("group_signal", "n_groups", "n_groups and rng must be given together"),
        ("group_signal", "rng", "n_groups and rng must be given together"),
        ("group_signal", "log_ref", "log_ref must be given"),
    ],
)
def test_what_is_missing_is_named(name, argument, says):
    with pytest.raises(ValueError, match=says):
        CALLS[name][0](**(valid(name) | {argument: None}))


#: The same numbers in another dress: each gives the same result, or is refused as the role says.
DRESSES = {
    "list": lambda x: x.tolist(),
    "tuple": lambda x: tuple(x.tolist()) if x.ndim else x.item(),
    "big-endian": lambda x: x.astype(x.dtype.newbyteorder(">")),
    "strided": lambda x: np.repeat(x, 2, axis=-1)[..., ::2] if x.ndim else x,
    "backwards in memory": lambda x: np.flip(np.flip(x).copy()),
    "column by column": lambda x: x.copy(order="F"),
    "read-only": lambda x: read_only(x.copy()),
    "single precision": lambda x: x.astype(np.float32),
    "long double": lambda x: x.astype(np.longdouble),
}


def read_only(array):
    array.flags.writeable = False
    return array


@pytest.mark.parametrize("dress", DRESSES)
@pytest.mark.parametrize("name", CALLS)
def test_the_same_numbers_in_another_dress(name, dress):
    function, arguments = CALLS[name]
    expected = flat(function(**valid(name)))
    dressed = valid(name)
    for argument, (role, value) in arguments.items():
        arrays = isinstance(value, np.ndarray) and value.dtype == float
        # A policy of single precision has no mass of 1; that is refused, and tested above.
        exact = dress != "single precision" or (role or "").partition(" or ")[0] not in MASSES
        if arrays and role and exact:
            dressed[argument] = DRESSES[dress](value)
    before = copy.deepcopy({k: v for k, v in dressed.items() if isinstance(v, np.ndarray)})
    for ours, same in zip(flat(function(**dressed)), expected, strict=True):
        if same.dtype != object:
            np.testing.assert_allclose(ours, same, rtol=1e-13, atol=1e-15)
            assert ours.dtype == same.dtype
    for argument, value in before.items():
        np.testing.assert_array_equal(dressed[argument], value)


MASSES = {"policy", "path"}
#: Arguments with a batch in front, by role: the shape that they have without one.
BATCHED = {"policy": 1, "actions": 1, "alone": 1, "logits": 1, "theta": 1, "ratios": 1}
BATCHED |= {"chances": 1, "steps": 1, "positive": 0, "nonnegative": 0, "real": 0, "support": 0}
BATCHED |= {"open support": 0, "below half": 0}
NO_BATCH = {
    **dict.fromkeys(("grpo_equilibria", "grpo_folds", "rule_equilibria", "rule_crossing"), "one"),
    **dict.fromkeys(("linear", "adam", "sgd", "make_optimizer", "run"), "a run of its own"),
    "fit_crossing": "points, not a batch, in all its arguments",
}


def emptied(role, value):
    role = (role or "").partition(" or ")[0]
    if role == "signal":
        return Signal(*(np.zeros((0, part.shape[-1])) for part in value))
    if role in BATCHED and isinstance(value, np.ndarray):
        return np.zeros((0, *value.shape[value.ndim - BATCHED[role] :]))
    return value


def has_a_batch(name):
    roles = {(role or "").partition(" or ")[0] for role, _ in CALLS[name][1].values()}
    return name not in NO_BATCH and bool(roles & (BATCHED.keys() | {"signal"}))


@pytest.mark.parametrize("name", [name for name in CALLS if has_a_batch(name)])
def test_a_batch_of_nothing_gives_nothing(name):
    function, arguments = CALLS[name]
    empty = {
        argument: emptied(arguments[argument][0], value) for argument, value in valid(name).items()
    }
    for result in flat(function(**empty)):
        if result.ndim:
            assert result.size == 0


def test_no_function_is_missing():
    names = {name.split(" ")[0].split(".")[0] for name in (*PUBLIC, *CALLS)}
    assert set(functions()) - names - set(NOT_HERE) == set()
    assert not set(NOT_HERE) & names
    assert len(set(functions())) > 80  # were they not found, this would prove nothing
    assert set(ELSEWHERE) <= set(functions())


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
