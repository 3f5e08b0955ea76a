"""The checks themselves: what passes, what is said, and that valid arrays are not copied."""

import numpy as np
import pytest

from klrl_lite import _checks


def test_real_array_accepts_what_is_a_number():
    for value in (1, 2.5, [1, 2], np.float32(0.5), np.arange(3), np.uint8(7), np.float16(1.5)):
        array = _checks.real_array("x", value)
        assert array.dtype == np.float64
        np.testing.assert_array_equal(array, value)


def test_a_float64_array_is_passed_through_uncopied():
    # A million actions times a thousand cells must not be copied by a check.
    array = np.log([[0.5, 0.5]])
    assert _checks.real_array("x", array) is array
    assert np.shares_memory(_checks.policy("x", array), array)
    assert np.shares_memory(_checks.number("x", array), array)


@pytest.mark.parametrize(
    "value", [True, "1", None, 1j, np.array(["a"]), [None], np.datetime64("2020"), {1: 2}]
)
def test_real_array_refuses_what_only_looks_like_numbers(value):
    with pytest.raises(TypeError, match="x must be real numbers; got dtype"):
        _checks.real_array("x", value)


def test_number_bounds():
    accept = _checks.number
    assert accept("tau", 1e-308, above=0.0) == 1e-308
    assert accept("p", [0.0, 1.0], least=0.0, most=1.0).tolist() == [0.0, 1.0]
    assert accept("t", np.inf, finite=False) == np.inf
    for value, bounds, rule in [
        (0.0, {"above": 0.0}, r"tau must be > 0; got 0.0$"),
        (-1e-300, {"least": 0.0}, r"tau must be >= 0; got .*-1e-300"),
        (2.0, {"most": 1.0}, "tau must be <= 1"),
        (np.inf, {}, "tau must be finite"),
        (np.nan, {"finite": False}, "tau must not be NaN"),
        ([[1.0, 2.0], [3.0, -4.0]], {"least": 0.0}, r"got .*-4.0.* at index \(1, 1\)"),
    ]:
        with pytest.raises(ValueError, match=rule):
            accept("tau", value, **bounds)


def test_policy_tolerance():
    # Rounding of a million terms passes; a policy stored in single precision does not, and the
    # message says what to do.
    log_p = np.log(np.random.default_rng(0).dirichlet(np.ones(1_000_000)))
    _checks.policy("log_p", log_p)
    with pytest.raises(ValueError, match=r"got mass .*; pass it through log_normalize first"):
        _checks.policy("log_p", np.log(np.array([0.1, 0.2, 0.7])).astype(np.float32))
    for off in (2e-9, -2e-9):
        with pytest.raises(ValueError, match="log_p must be normalized"):
            _checks.policy("log_p", np.log([0.5, 0.5]) + off)
    _checks.policy("log_p", np.log([0.5, 0.5]) + 0.5e-9)


def test_policy_with_absurd_entries_warns_of_nothing():
    for log_p in ([1e308, 0.0], [800.0, -np.inf], [-1e308, -1e308]):
        with pytest.raises(ValueError, match="mass"):
            _checks.policy("log_p", log_p)


def test_broadcast_names_every_shape():
    assert _checks.broadcast(a=np.ones((2, 1)), b=np.ones(3), c=1.0) == (2, 3)
    with pytest.raises(ValueError, match=r"broadcast together; got a \(2,\), b \(3,\)"):
        _checks.broadcast(a=np.ones(2), b=np.ones(3))


def test_one_action_is_not_stretched_over_many():
    # NumPy would broadcast it, and KL against "1, 1, 1" is no KL.
    assert _checks.same_actions(a=np.ones((2, 1, 4)), b=np.ones((3, 4))) == (2, 3, 4)
    with pytest.raises(
        ValueError, match=r"number of actions .* must agree; got a \(4,\), b \(1,\)"
    ):
        _checks.same_actions(a=np.ones(4), b=np.ones(1))


def test_large_batches_of_few_actions_are_turned_in_memory():
    for shape in ((5000, 2), (40, 30, 16), (64, 64)):
        array = np.random.default_rng(0).normal(size=shape)
        array.flags.writeable = False
        turned = _checks.on_actions("x", array)
        np.testing.assert_array_equal(turned, array)
        assert np.moveaxis(turned, -1, 0).flags.c_contiguous
        # Once is enough, and what is computed from it stays so.
        assert _checks.on_actions("x", turned) is turned
        assert _checks.by_action(np.exp(turned)).strides == turned.strides
    row = np.broadcast_to(np.arange(4.0), (5000, 4))
    for array in (np.zeros((3, 4)), np.zeros((100, 65)), np.zeros(10_000), row):
        assert _checks.on_actions("x", array) is array


def test_whole_numbers_and_single_numbers():
    assert _checks.count("n", 3.0) == 3
    assert _checks.count("n", 0, least=0) == 0
    assert _checks.scalar("x", 0.5, above=0.0) == 0.5
    for value in (2.5, [1, 2], 0):
        with pytest.raises(ValueError, match="n must be"):
            _checks.count("n", value)
    with pytest.raises(ValueError, match=r"x must be a single number; got shape \(2,\)"):
        _checks.scalar("x", [1.0, 2.0])
    for rng in (0, np.random.RandomState(0), None):
        with pytest.raises(TypeError, match="rng must be a numpy"):
            _checks.generator(rng)
