"""A batch is the stack of its cells, for every public function; and nothing touches its input."""

import importlib
import inspect

import numpy as np
import pytest
from samples import ELSEWHERE, PUBLIC, draw_role, flat

TABLE = pytest.mark.parametrize("name", PUBLIC)
MODULES = (
    *(f"simplex.{name}" for name in ("normalize", "divergence", "moments", "bregman")),
    *("diagnostics.target", "diagnostics.path", "diagnostics.observed"),
    *("thresholds.binary", "thresholds.measured", "algorithms.mirror", "algorithms.region"),
    *("gibbs", "problems", "flow", "solvers"),
)


def arguments(name, batches, seed=0):
    """Random valid arguments of a function in the table; `batches` is one shape or one each."""
    _, roles = PUBLIC[name]
    rng = np.random.default_rng(seed)
    if isinstance(batches, tuple):
        batches = [batches] * len(roles)
    return [draw_role(role, rng, b) for role, b in zip(roles.values(), batches, strict=True)]


def cell(name, args, index):
    """The arguments of one cell of a batch."""
    _, roles = PUBLIC[name]
    picked = []
    for array, role in zip(args, roles.values(), strict=True):
        on_actions = role in ("policy", "logits", "actions", "inside")
        batch = array.shape[:-1] if on_actions else array.shape
        # NumPy's rule: axes are matched from the right, an axis of length 1 is repeated.
        own = index[len(index) - len(batch) :]
        picked.append(array[tuple(i if n > 1 else 0 for i, n in zip(own, batch, strict=True))])
    return picked


def assert_stacked(name, args, batch):
    function, _ = PUBLIC[name]
    whole = flat(function(*args))
    for index in np.ndindex(*batch):
        parts = flat(function(*cell(name, args, index)))
        for together, alone in zip(whole, parts, strict=True):
            # The order of a sum may depend on the strides: a few units in the last place.
            np.testing.assert_allclose(together[index], alone, rtol=1e-13, atol=1e-15)
            assert together[index].shape == alone.shape


def test_the_table_is_complete():
    listed = {name.split(" ")[0] for name in PUBLIC} | set(ELSEWHERE)
    for module in map(importlib.import_module, (f"klrl_lite.{m}" for m in MODULES)):
        for name, _ in inspect.getmembers(module, inspect.isfunction):
            here = inspect.getmodule(getattr(module, name)) is module
            assert name.startswith("_") or not here or name in listed, f"{name} is not listed"


@TABLE
def test_batch_is_the_stack_of_its_cells(name):
    assert_stacked(name, arguments(name, (2, 3)), (2, 3))


@TABLE
def test_arguments_broadcast_against_each_other(name):
    # The first argument along one axis, the second along the other, the rest plain: a grid.
    count = len(PUBLIC[name][1])
    shapes = [(2, 1), (3,), *[()] * count][:count]
    batch = np.broadcast_shapes(*shapes)
    assert_stacked(name, arguments(name, shapes), batch)
    assert_stacked(name, arguments(name, shapes[::-1]), batch)


@TABLE
def test_a_large_batch_is_the_stack_of_its_cells(name):
    # Large batches of few actions lie otherwise in memory (`_checks.by_action`).
    batch, (function, _) = (40, 30), PUBLIC[name]
    args = arguments(name, batch)
    whole = flat(function(*args))
    for index in np.random.default_rng(1).integers(0, batch, (12, 2)).tolist():
        parts = flat(function(*cell(name, args, tuple(index))))
        for together, alone in zip(whole, parts, strict=True):
            np.testing.assert_allclose(together[tuple(index)], alone, rtol=1e-12, atol=1e-14)


@TABLE
def test_empty_batch(name):
    function, _ = PUBLIC[name]
    assert all(array.shape[0] == 0 for array in flat(function(*arguments(name, (0,)))))


@TABLE
def test_inputs_are_read_only(name):
    # Read-only and strided: a function that wrote to its input, or read past it, would fail.
    function, _ = PUBLIC[name]
    args = arguments(name, (2, 3))
    expected = flat(function(*args))
    awkward = []
    for array in args:
        wide = np.full((*array.shape, 2), np.nan)
        wide[..., 1] = array
        view = wide[..., 1]
        view.flags.writeable = False
        awkward.append(view)
    for ours, same in zip(flat(function(*awkward)), expected, strict=True):
        np.testing.assert_allclose(ours, same, rtol=1e-13, atol=1e-15)
    for array, view in zip(args, awkward, strict=True):
        np.testing.assert_array_equal(array, view)


@pytest.mark.parametrize("name", [name for name in PUBLIC if name != "levels"])
def test_results_do_not_alias_inputs(name):
    # Writing into a result must not change what the caller passed in. (`levels` makes no result
    # of its own: the problem holds the reward it was given.)
    function, _ = PUBLIC[name]
    args = arguments(name, (2, 3))
    kept = [array.copy() for array in args]
    for result in flat(function(*args)):
        if result.flags.writeable and result.dtype != bool:
            result[...] = -7.0
    for array, copy in zip(args, kept, strict=True):
        np.testing.assert_array_equal(array, copy)


@TABLE
def test_integers_mean_the_same_as_floats(name):
    function, roles = PUBLIC[name]
    whole = {"positive": 2, "nonnegative": 2, "real": -1, "draws": 10, "right": 3, "drawn": 4}
    args, floats = [], []
    for role, value in zip(roles.values(), arguments(name, ()), strict=True):
        if role in ("actions", "inside", "logits"):
            value = np.array([1, 3, 2, 1])
        value = whole.get(role, value)
        args.append(value)
        floats.append(np.asarray(value, dtype=float))
    for ours, same in zip(flat(function(*args)), flat(function(*floats)), strict=True):
        np.testing.assert_array_equal(ours, same)
        assert ours.dtype.kind in "fcb"
