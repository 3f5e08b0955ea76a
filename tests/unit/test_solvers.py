"""Bisection: every cell right, whatever its neighbours do; failures are data, not exceptions."""

import mpmath as mp
import numpy as np
import oracles
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracles import EPS

from klrl_lite.solvers import bisect


def test_roots_to_the_last_digit(agree):
    # Cells of every size in one batch: each stops at a width relative to its own root.
    c = np.geomspace(1e-300, 1e300, 61)
    x, info = bisect(lambda x: np.log(x) - np.log(c), 1e-6 * c, 1e6 * c)
    assert np.all(info.converged & info.bracketed)
    # The function is rounded too: log c, of size 690, is known to 1e-13.
    agree("bisect", x, oracles.many(c))
    x, info = bisect(np.cos, 1.0, 2.0)
    agree("bisect", x, mp.pi / 2)
    assert x.shape == info.converged.shape == ()


@given(st.floats(-6, 6), st.booleans(), st.floats(0.01, 100.0), st.booleans())
def test_any_root_in_any_bracket(log_size, negative, width, falling):
    root = (-1.0 if negative else 1.0) * 10.0**log_size
    sign = -1.0 if falling else 1.0
    x, info = bisect(lambda x: sign * (x - root) ** 3, root - width, root + 0.7 * width)
    assert info.converged
    assert abs(x - root) <= 2 * EPS * abs(root)


def test_the_width_is_relative_to_the_root():
    # A root at 0 inside a lopsided bracket is never hit: the halvings run out, and it says so.
    x, info = bisect(lambda x: x, -1.0, 2.0)
    assert abs(x) < 1e-59
    assert not info.converged


def test_reversed_brackets():
    x, info = bisect(lambda x: x - 0.25, [1.0, 0.0], [0.0, 1.0])
    assert x.tolist() == [0.25, 0.25]
    assert np.all(info.converged)


def test_zeros_on_the_way():
    # At an end, at the first middle point, and at 0, where a relative width is never small.
    x, info = bisect(lambda x: x - np.array([0.0, 1.0, 0.5]), 0.0, 1.0)
    assert x.tolist() == [0.0, 1.0, 0.5]
    assert np.all(info.converged)
    x, info = bisect(lambda x: x, -1.0, 1.0)
    assert (float(x), bool(info.converged)) == (0.0, True)
    # Zero at both ends: the lower one is as good as the other.
    assert bisect(lambda x: np.zeros_like(x), 1.0, 2.0)[0] == 1.0


def test_failures_are_reported_cell_by_cell():
    target = np.array([0.5, 2.0, np.nan, 0.25])
    x, info = bisect(lambda x: x - target, 0.0, 1.0)
    assert x[[0, 3]].tolist() == [0.5, 0.25]
    assert np.isnan(x[[1, 2]]).all()
    assert info.bracketed.tolist() == [True, False, False, True]
    assert info.converged.tolist() == [True, False, False, True]


def test_max_iter_is_respected_and_reported():
    x, info = bisect(lambda x: x - 1 / 3, 0.0, 1.0, max_iter=10)
    assert not info.converged
    assert info.n_iter == 10
    assert abs(x - 1 / 3) <= 2.0**-11
    loose, info = bisect(lambda x: x - 1 / 3, 0.0, 1.0, rtol=1e-3)
    assert info.converged
    assert info.n_iter < 15
    assert 1e-6 < abs(loose - 1 / 3) < 1e-3


def test_a_discontinuity_is_a_sign_change_too():
    x, info = bisect(lambda x: np.where(x < 1 / 3, -1.0, 1.0), 0.0, 1.0)
    assert info.converged
    assert x == pytest.approx(1 / 3, rel=1e-15)


def test_the_brackets_are_not_modified():
    low, high = np.zeros(3), np.ones(3)
    low.flags.writeable = high.flags.writeable = False
    bisect(lambda x: x - 0.3, low, high)
    bisect(lambda x: x - 0.3, 0, 1)  # integers mean the same
    assert low.tolist() == [0.0] * 3


@pytest.mark.parametrize("bad", [True, "0", 1j, None, np.ma.masked_array([0.0], [True])])
def test_brackets_must_be_numbers(bad):
    with pytest.raises(TypeError, match="low must be"):
        bisect(lambda x: x, bad, 1.0)
    with pytest.raises(TypeError, match="high must be"):
        bisect(lambda x: x, 0.0, bad)


def test_brackets_must_broadcast():
    with pytest.raises(ValueError, match=r"low \(2,\), high \(3,\)"):
        bisect(lambda x: x, np.zeros(2), np.ones(3))
    x, _ = bisect(lambda x: x - 0.5, np.zeros((2, 1)), np.ones(3))
    assert x.shape == (2, 3)


def test_an_empty_batch():
    x, info = bisect(lambda x: x, np.zeros(0), np.ones(0))
    assert x.shape == info.converged.shape == (0,)
