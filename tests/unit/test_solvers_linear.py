"""Conjugate gradients against a direct solver, backtracking, and Adam against the paper's loop."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from klrl_lite.solvers import adam, backtrack, conjugate_gradient, sgd


def definite(rng, n, rank=None):
    root = rng.normal(size=(n, n if rank is None else rank))
    return root @ root.T + (0.1 * np.eye(n) if rank is None else 0.0)


@given(st.integers(0, 10_000), st.integers(1, 8))
def test_against_a_direct_solver(seed, n):
    rng = np.random.default_rng(seed)
    a, b = definite(rng, n), rng.normal(size=n)
    x, info = conjugate_gradient(lambda v: v @ a, b, max_iter=10 * n, rtol=1e-12)
    assert info.converged
    np.testing.assert_allclose(x, np.linalg.solve(a, b), rtol=1e-8, atol=1e-10)
    assert info.residual == pytest.approx(0.0, abs=1e-12)


def test_as_many_iterations_as_eigenvalues():
    a = np.diag([1.0, 1.0, 1.0, 5.0, 5.0])
    _, info = conjugate_gradient(lambda v: v @ a, np.ones(5), max_iter=50)
    assert info.n_iter == 2


def test_each_iterate_is_the_best_in_its_space():
    # The defining property: x_k minimizes the energy over the span of b, A b, ..., A^{k-1} b.
    rng = np.random.default_rng(0)
    a, b = definite(rng, 6), rng.normal(size=6)
    for k in range(1, 6):
        space = np.stack([np.linalg.matrix_power(a, i) @ b for i in range(k)], axis=1)
        space, _ = np.linalg.qr(space)
        best = space @ np.linalg.solve(space.T @ a @ space, space.T @ b)
        x, info = conjugate_gradient(lambda v: v @ a, b, max_iter=k, rtol=0.0)
        np.testing.assert_allclose(x, best, rtol=1e-8, atol=1e-10)
        assert info.n_iter == k
        assert info.residual == pytest.approx(np.linalg.norm(b - a @ x) / np.linalg.norm(b))


def test_cells_of_a_batch_do_not_disturb_each_other():
    rng = np.random.default_rng(1)
    a = np.stack([definite(rng, 4), np.eye(4), 1e-200 * definite(rng, 4), definite(rng, 4)])
    b = rng.normal(size=(4, 4))
    b[2] *= 1e-150
    b[3] = 0.0

    def matvec(v):
        return np.einsum("...ij,...j->...i", a, v)

    with np.errstate(all="raise", under="ignore"):
        x, info = conjugate_gradient(matvec, b, max_iter=40, rtol=1e-12)
    for i in range(3):
        np.testing.assert_allclose(x[i], np.linalg.solve(a[i], b[i]), rtol=1e-8)
    # Nothing to do: 0, and neither an error nor NaN.
    assert x[3].tolist() == [0.0] * 4
    assert info.converged.all()
    assert info.n_iter[1] == 1
    assert info.n_iter[3] == info.residual[3] == 0


def test_a_singular_matrix_with_a_solution():
    rng = np.random.default_rng(2)
    a = definite(rng, 5, rank=3)
    b = a @ rng.normal(size=5)
    x, info = conjugate_gradient(lambda v: v @ a, b, max_iter=20, rtol=1e-10)
    assert info.converged
    np.testing.assert_allclose(x, np.linalg.pinv(a) @ b, rtol=1e-7, atol=1e-9)


def test_failure_is_data():
    # Negative curvature, no curvature, and no solution: each cell stops and says so.
    a = np.array([[[-1.0, 0.0], [0.0, -1.0]], [[0.0, 0.0], [0.0, 0.0]], [[1.0, 0.0], [0.0, 0.0]]])
    x, info = conjugate_gradient(lambda v: np.einsum("...ij,...j->...i", a, v), np.ones((3, 2)),
                                 max_iter=20)  # fmt: skip
    assert np.all(np.isfinite(x))
    assert not info.converged.any()
    # And an unfinished one.
    _, info = conjugate_gradient(lambda v: v * np.arange(1.0, 6.0), np.ones(5), max_iter=2)
    assert (bool(info.converged), int(info.n_iter)) == (False, 2)


def test_right_hand_side_over_a_batch_of_matrices():
    scale = np.array([1.0, 2.0, 4.0])
    x, info = conjugate_gradient(lambda v: scale[:, None] * v, [1.0, 2.0], max_iter=3)
    np.testing.assert_allclose(x, np.array([1.0, 2.0]) / scale[:, None])
    assert info.n_iter.tolist() == [1, 1, 1]


# --- backtracking ---


def test_backtrack_takes_the_first_accepted():
    limit = np.array([2.0, 0.3, 0.26, 1e-9])
    scale, info = backtrack(lambda s: s <= limit, np.ones(4), max_iter=4)
    assert scale.tolist() == [1.0, 0.25, 0.25, 0.0]
    assert info.accepted.tolist() == [True, True, True, False]
    assert info.n_iter.tolist() == [0, 2, 2, 4]


def test_backtrack_does_not_return_to_a_better_scale():
    # Accepted once is accepted: the cell no longer moves although others do.
    seen = []

    def accept(s):
        seen.append(s.copy())
        return np.array([s[0] < 0.6, s[1] < 0.1])

    scale, _ = backtrack(accept, np.ones(2))
    assert scale.tolist() == [0.5, 0.0625]
    assert all(s[0] == 0.5 for s in seen[1:])


def test_backtrack_ratio_and_no_search():
    assert backtrack(lambda s: s < 0.9, 1.0, shrink=0.8)[0] == 0.8
    scale, info = backtrack(lambda s: s < 0.9, 1.0, max_iter=0)
    assert (float(scale), bool(info.accepted)) == (0.0, False)


# --- Adam ---


def test_adam_against_the_loop_of_the_paper():
    rng = np.random.default_rng(3)
    gradients = rng.normal(size=(20, 4)) * 10.0 ** rng.uniform(-3, 3, 4)
    init, update = adam(0.05, beta1=0.8, beta2=0.95, epsilon=1e-3)
    theta, state = np.zeros(4), init(np.zeros(4))
    m, v, plain = np.zeros(4), np.zeros(4), np.zeros(4)
    for t, g in enumerate(gradients, start=1):
        increment, state = update(g, state)
        theta = theta + increment
        m = 0.8 * m + 0.2 * g
        v = 0.95 * v + 0.05 * g**2
        plain += 0.05 * (m / (1 - 0.8**t)) / (np.sqrt(v / (1 - 0.95**t)) + 1e-3)
    np.testing.assert_allclose(theta, plain, rtol=1e-12)


def test_adam_forgets_the_scale_without_epsilon():
    g = np.random.default_rng(4).normal(size=(5, 3))
    paths = []
    for scale in (1.0, 1e-100):
        init, update = adam(0.1, epsilon=0.0)
        state, steps = init(np.zeros(3)), []
        for row in g:
            step, state = update(scale * row, state)
            steps.append(step)
        paths.append(steps)
    np.testing.assert_allclose(paths[1], paths[0], rtol=1e-12)
    np.testing.assert_allclose(paths[0][0], 0.1 * np.sign(g[0]))


def test_a_zero_gradient_does_not_move():
    for epsilon in (0.0, 1e-8):
        init, update = adam(0.1, epsilon=epsilon)
        assert update(np.zeros(2), init(np.zeros(2)))[0].tolist() == [0.0, 0.0]


def test_rates_over_a_batch():
    for optimizer in (adam, sgd):
        rates = np.array([0.1, 0.2])
        init, update = optimizer(rates)
        gradient = np.ones((2, 3))
        together = update(gradient, init(np.zeros((2, 3))))[0]
        for i, rate in enumerate(rates):
            start, one = optimizer(rate)
            np.testing.assert_allclose(together[i], one(gradient[i], start(np.zeros(3)))[0])


BAD = {
    "scalar": (lambda: conjugate_gradient(lambda v: v, 1.0, max_iter=1), "b must"),
    "nan": (lambda: conjugate_gradient(lambda v: v, [np.nan], max_iter=1), "b must"),
    "rtol": (lambda: conjugate_gradient(lambda v: v, [1.0], max_iter=1, rtol=-1.0), "rtol must"),
    "first": (lambda: backtrack(lambda s: s > 0, np.nan), "first must"),
    "shrink": (lambda: backtrack(lambda s: s > 0, 1.0, shrink=1.0), "shrink must"),
    "rate": (lambda: adam(0.0), "learning_rate must"),
    "sgd rate": (lambda: sgd(-1.0), "learning_rate must"),
}


@pytest.mark.parametrize(("call", "words"), BAD.values(), ids=BAD)
def test_wrong_input(call, words):
    with pytest.raises(ValueError, match=words):
        call()
