"""Parametric policies: log-probabilities over all actions, and derivatives along and against them.

Each policy is a `Policy` of plain functions of a parameter array theta (..., P). Leading axes of
theta are a batch: one call evaluates a whole grid of runs.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from . import _checks
from ._types import Array, ArrayLike, IntArray
from .simplex import _dot, _log_normalize


class Tangent(NamedTuple):
    """A policy at one theta, where it need not be evaluated again for each derivative.

    Attributes
    ----------
    log_pi : numpy.ndarray, shape (..., A)
    jvp, vjp : callable
        Those of `Policy`, without theta and without checks.
    """

    log_pi: Array
    jvp: Callable[[Array], Array]
    vjp: Callable[[Array], Array]


class Policy(NamedTuple):
    """A family of policies pi_theta over A actions, with P parameters.

    Attributes
    ----------
    name : str
    n_actions, n_params : int
    init : callable
        Starting parameters; see each constructor.
    log_prob : callable
        theta (..., P) -> log pi (..., A), normalized.
    jvp : callable
        theta, v (..., P) -> sum_i v_i d log pi_a / d theta_i, shape (..., A).
    vjp : callable
        theta, w (..., A) -> sum_a w_a d log pi_a / d theta_i, shape (..., P).
    tangent : callable, optional
        theta -> Tangent, for many derivatives at one theta; see `tangent_at`.
    """

    name: str
    n_actions: int
    n_params: int
    init: Callable[..., Array]
    log_prob: Callable[[ArrayLike], Array]
    jvp: Callable[[ArrayLike, ArrayLike], Array]
    vjp: Callable[[ArrayLike, ArrayLike], Array]
    tangent: Callable[[ArrayLike], Tangent] | None = None


def tangent_at(policy: Policy, theta: ArrayLike) -> Tangent:
    """Evaluate a policy and its derivatives at one theta, with as much computed once as can be.

    Parameters
    ----------
    policy : Policy
    theta : array_like, shape (..., P)

    Examples
    --------
    >>> tangent_at(tabular(2), [0.0, 0.0]).jvp(np.array([1.0, 0.0])).tolist()
    [0.5, -0.5]
    """
    if policy.tangent is not None:
        return policy.tangent(theta)
    return Tangent(
        policy.log_prob(theta), lambda v: policy.jvp(theta, v), lambda w: policy.vjp(theta, w)
    )


def fisher_vector_product(policy: Policy, theta: ArrayLike, v: ArrayLike) -> Array:
    """Fisher matrix times a vector, F v = J^T (pi * J v) with J = d log pi / d theta.

    Parameters
    ----------
    policy : Policy
    theta, v : array_like, shape (..., P)

    Returns
    -------
    numpy.ndarray, shape (..., P)

    Notes
    -----
    J v has mean 0 under pi, so this is the covariance of the score. F is singular along
    directions that do not change the policy.

    Examples
    --------
    >>> fisher_vector_product(tabular(2), np.log([0.5, 0.5]), [1.0, 0.0]).tolist()
    [0.25, -0.25]
    """
    return policy.vjp(theta, np.exp(policy.log_prob(theta)) * policy.jvp(theta, v))


def _arguments(n_params, theta, *, minus_inf=False, **other):
    """Check theta and one array that travels with it."""
    theta = _checks.on_actions("theta", theta, minus_inf=minus_inf)
    arrays = {name: _checks.on_actions(name, value) for name, (value, _) in other.items()}
    for name, array, n in [
        ("theta", theta, n_params),
        *((name, arrays[name], n) for name, (_, n) in other.items()),
    ]:
        if array.shape[-1] != n:
            raise ValueError(f"{name} must have {n} entries on its last axis; got {array.shape}")
    _checks.broadcast(
        **{name: array[..., 0] for name, array in ({"theta": theta} | arrays).items()}
    )
    return theta, *arrays.values()


def _score_jvp(p, d_logits):
    """Change of log-probabilities for a change of logits, u - E_pi[u]."""
    return d_logits - _dot(p, d_logits)[..., None]


def _score_vjp(p, w):
    """Transposed: w - pi sum w."""
    return w - p * np.sum(w, axis=-1, keepdims=True)


def _from_tangent(name, n_actions, n_params, init, log_prob, tangent, *, minus_inf=False):
    """Policy whose jvp and vjp are those of its tangent, behind checks."""

    def jvp(theta, v):
        theta, v = _arguments(n_params, theta, minus_inf=minus_inf, v=(v, n_params))
        return tangent(theta).jvp(v)

    def vjp(theta, w):
        theta, w = _arguments(n_params, theta, minus_inf=minus_inf, w=(w, n_actions))
        return tangent(theta).vjp(w)

    return Policy(name, n_actions, n_params, init, log_prob, jvp, vjp, tangent)


def tabular(n_actions: int) -> Policy:
    """One logit for each action, log pi = theta - log sum exp theta.

    `init(log_pi=None)` gives the logits of a policy, or of the uniform one. A logit of -inf is an
    impossible action and stays one.

    Examples
    --------
    >>> policy = tabular(2)
    >>> policy.vjp(policy.init(), [1.0, 0.0]).tolist()
    [0.5, -0.5]
    """
    n = _checks.count("n_actions", n_actions)

    def init(log_pi=None):
        if log_pi is None:
            return np.zeros(n)
        log_pi = _checks.policy("log_pi", log_pi).copy("K")
        if log_pi.shape[-1] != n:
            raise ValueError(f"log_pi must have {n} actions on its last axis; got {log_pi.shape}")
        return log_pi

    def log_prob(theta):
        (theta,) = _arguments(n, theta, minus_inf=True)
        return _log_normalize(theta, "theta")

    def tangent(theta):
        log_pi = log_prob(theta)
        pi = np.exp(log_pi)
        return Tangent(log_pi, lambda v: _score_jvp(pi, v), lambda w: _score_vjp(pi, w))

    return _from_tangent("tabular", n, n, init, log_prob, tangent, minus_inf=True)


def linear(features: ArrayLike, log_base: ArrayLike | None = None) -> Policy:
    """Logits linear in features, log pi = log_base + X theta - log sum exp of it.

    Parameters
    ----------
    features : array_like, shape (A, P)
        X. Fewer columns than actions: most policies cannot be represented.
    log_base : array_like, shape (..., A), optional
        The policy at theta = 0, where `init()` starts; uniform if left out.

    Examples
    --------
    >>> policy = linear([[0.0], [1.0], [2.0]])
    >>> policy.jvp(policy.init(), [1.0]).tolist()
    [-1.0, 0.0, 1.0]
    """
    x = _checks.on_actions("features", features)
    if x.ndim != 2:
        raise ValueError(f"features must have two axes, actions and parameters; got {x.shape}")
    n_actions, n_params = x.shape
    base = np.zeros(n_actions) if log_base is None else _checks.policy("log_base", log_base)
    _checks.same_actions(features=x[:, 0], log_base=base)

    def init():
        return np.zeros((*base.shape[:-1], n_params))

    def log_prob(theta):
        (theta,) = _arguments(n_params, theta)
        return _log_normalize(_checks.by_action(base + theta @ x.T), "theta")

    def tangent(theta):
        log_pi = log_prob(theta)
        pi = np.exp(log_pi)
        return Tangent(
            log_pi,
            lambda v: _score_jvp(pi, _checks.by_action(v @ x.T)),
            lambda w: _checks.by_action(_score_vjp(pi, w) @ x),
        )

    return _from_tangent("linear", n_actions, n_params, init, log_prob, tangent)


def sequences(n_steps: int, vocabulary: int = 2) -> IntArray:
    """All sequences of K tokens, (V**K, K), in the order of the actions of `autoregressive`.

    Examples
    --------
    >>> sequences(2).tolist()
    [[0, 0], [0, 1], [1, 0], [1, 1]]
    """
    n_steps, vocabulary = (
        _checks.count("n_steps", n_steps),
        _checks.count("vocabulary", vocabulary, least=2),
    )
    return np.stack(np.unravel_index(np.arange(vocabulary**n_steps), (vocabulary,) * n_steps), -1)


def _contexts(n_steps, vocabulary):
    """Input of the network for every prefix: its position and its tokens, one-hot.

    Prefixes are ordered by length, then as in `sequences`.
    """
    rows = []
    for t in range(n_steps):
        prefixes = sequences(t, vocabulary) if t else np.empty((1, 0), int)
        position = np.broadcast_to(np.eye(n_steps)[t], (len(prefixes), n_steps))
        tokens = np.zeros((len(prefixes), n_steps - 1, vocabulary))
        tokens[:, :t] = np.eye(vocabulary)[prefixes]
        rows.append(np.concatenate([position, tokens.reshape(len(prefixes), -1)], axis=1))
    return np.concatenate(rows)


def autoregressive(n_steps: int, n_hidden: int, *, vocabulary: int = 2) -> Policy:
    r"""Small network that writes a sequence token by token; its whole output space is enumerated.

    log pi(y) = sum_t log softmax(tanh(x_t W) U + c)[y_t], where x_t is the one-hot position and
    prefix y_1 .. y_{t-1}. One hidden layer, shared by all positions and prefixes, so that a step
    for one sequence moves all the others.

    Parameters
    ----------
    n_steps : int
        K >= 1. There are V**K actions (sequences), in the order of `sequences`.
    n_hidden : int
    vocabulary : int
        V >= 2.

    Returns
    -------
    Policy
        `init(*, rng, scale=1.0, batch=())` draws weights of variance scale^2 / fan-in.

    Notes
    -----
    Forward, jvp and vjp are written out below, each layer in one line. The cost is that of
    (V^K - 1)/(V - 1) prefixes.

    Examples
    --------
    >>> policy = autoregressive(3, 4)
    >>> theta = policy.init(rng=np.random.default_rng(0))
    >>> policy.n_actions, float(np.exp(policy.log_prob(theta)).sum().round(12))
    (8, 1.0)
    """
    k, v = _checks.count("n_steps", n_steps), _checks.count("vocabulary", vocabulary, least=2)
    width, x = _checks.count("n_hidden", n_hidden), _contexts(k, v)
    shapes = ((x.shape[1], width), (width, v), (v,))
    sizes = [int(np.prod(shape)) for shape in shapes]
    n_params, n_actions = sum(sizes), v**k

    def unpack(theta):
        parts = np.split(theta, np.cumsum(sizes)[:-1], axis=-1)
        return [p.reshape(*theta.shape[:-1], *s) for p, s in zip(parts, shapes, strict=True)]

    def forward(theta):
        w, u, c = unpack(theta)
        h = np.tanh(x @ w)
        return u, h, _log_normalize(h @ u + c[..., None, :], "theta", overwrite=True)

    def along_sequences(per_token):
        """Sum the entries (prefix, token) that each sequence passes through."""
        total, start = np.zeros((*per_token.shape[:-2], 1)), 0
        for t in range(k):
            block = per_token[..., start : start + v**t, :]
            total = (total[..., None] + block).reshape(*block.shape[:-2], v ** (t + 1))
            start += v**t
        return total

    def to_tokens(w):
        """Transposed: the weight of all sequences through each (prefix, token)."""
        batch = w.shape[:-1]
        blocks = (w.reshape(*batch, v**t, v, v ** (k - t - 1)).sum(axis=-1) for t in range(k))
        return np.concatenate(list(blocks), axis=-2)

    def init(*, rng, scale=1.0, batch=()):
        rng, scale = _checks.generator(rng), _checks.scalar("scale", scale, least=0.0)
        fan_in = np.repeat([k, width, width], sizes)  # of the inputs, k are on at most
        return scale / np.sqrt(fan_in) * rng.standard_normal((*batch, n_params))

    def log_prob(theta):
        (theta,) = _arguments(n_params, theta)
        return along_sequences(forward(theta)[2])

    def tangent(theta):
        (theta,) = _arguments(n_params, theta)
        u, h, log_p = forward(theta)
        p, slope = np.exp(log_p), 1.0 - h**2

        def jvp(v):
            dw, du, dc = unpack(v)
            dh = slope * (x @ dw)
            return along_sequences(_score_jvp(p, dh @ u + h @ du + dc[..., None, :]))

        def vjp(w):
            d_logits = _score_vjp(p, to_tokens(w))
            dh = slope * (d_logits @ np.swapaxes(u, -1, -2))
            dw, du, dc = x.T @ dh, np.swapaxes(h, -1, -2) @ d_logits, d_logits.sum(axis=-2)
            batch = np.broadcast_shapes(theta.shape[:-1], w.shape[:-1])
            parts = zip((dw, du, dc), sizes, strict=True)
            return np.concatenate([g.reshape(*batch, n) for g, n in parts], axis=-1)

        return Tangent(along_sequences(log_p), jvp, vjp)

    return _from_tangent("autoregressive", n_actions, n_params, init, log_prob, tangent)
