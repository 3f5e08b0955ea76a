"""The three arrays of a batch, and how to get them exactly or from samples."""

from typing import NamedTuple

import numpy as np

from .. import _checks
from .._types import Array, ArrayLike, IntArray


class Signal(NamedTuple):
    """What a batch says about each action; arrays of shape (..., A).

    Attributes
    ----------
    weight : numpy.ndarray
        Share of the batch that took the action (its probability, if exact).
    gain, loss : numpy.ndarray
        Sums of weight max(A, 0) and of weight max(-A, 0) over the batch. They stay apart because
        one action can be praised in one group and blamed in another, and a clip treats the two
        differently; gain - loss is all that an unclipped algorithm needs.
    """

    weight: Array
    gain: Array
    loss: Array


def _signal(weight: Array, advantage: Array) -> Signal:
    gain = np.maximum(advantage, 0.0)
    loss = gain - advantage  # max(-A, 0), exactly
    return Signal(weight, weight * gain, weight * loss)


def _policy_and_values(log_pi: ArrayLike, name: str, values: ArrayLike) -> tuple[Array, Array]:
    log_pi, values = _checks.policy("log_pi", log_pi), _checks.on_actions(name, values)
    _checks.same_actions(log_pi=log_pi, **{name: values})
    log_pi, values = np.broadcast_arrays(log_pi, values)
    return log_pi, values


def exact(log_pi: ArrayLike, advantage: ArrayLike) -> Signal:
    """Exact expectation over the policy: weight = pi, gain - loss = pi A.

    Parameters
    ----------
    log_pi, advantage : array_like, shape (..., A)
        The advantage is taken as it is. A constant added to it changes no unclipped direction,
        but it changes signs, and so what a clip does.

    Returns
    -------
    Signal

    Examples
    --------
    >>> exact(np.log([0.5, 0.5]), [-1.0, 2.0]).gain.tolist()
    [0.0, 1.0]
    """
    log_pi, advantage = _policy_and_values(log_pi, "advantage", advantage)
    return _signal(np.exp(log_pi), advantage)


def sampled(
    log_pi: ArrayLike, advantage: ArrayLike, n_samples: int, *, rng: np.random.Generator
) -> Signal:
    """Draw a batch of actions: weight = n_a / n, gain - loss = n_a A_a / n.

    Parameters
    ----------
    log_pi, advantage : array_like, shape (..., A)
        The advantage of an action does not depend on the other samples (see `grouped`).
    n_samples : int
    rng : numpy.random.Generator

    Returns
    -------
    Signal
        Unbiased: its mean is `exact(log_pi, advantage)`.

    Notes
    -----
    One multinomial draw for each cell of the batch, whatever n is.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> sampled(np.log([0.5, 0.5]), [-1.0, 2.0], 100, rng=rng).weight.sum().round(12)
    np.float64(1.0)
    """
    log_pi, advantage = _policy_and_values(log_pi, "advantage", advantage)
    n_samples = _checks.count("n_samples", n_samples)
    return _signal(_counts(log_pi, n_samples, rng) / n_samples, advantage)


def counts(log_pi: ArrayLike, n_samples: int, *, rng: np.random.Generator) -> IntArray:
    """How often each action is drawn, (..., A); an impossible one never is.

    Examples
    --------
    >>> counts(np.array([0.0, -np.inf]), 7, rng=np.random.default_rng(0)).tolist()
    [7, 0]
    """
    log_pi = _checks.policy("log_pi", log_pi)
    return _counts(log_pi, _checks.count("n_samples", n_samples), rng)


def _counts(log_pi, n_samples, rng):
    drawn, order = _draw(log_pi, n_samples, (), rng)
    result = np.empty_like(drawn)
    np.put_along_axis(result, order, drawn, axis=-1)
    return result


def _draw(log_pi, n_samples, repeats, rng):
    """Counts (..., *repeats, A) with the actions in another order, which is returned as well."""
    rng = _checks.generator(rng)
    # NumPy gives what rounding leaves over to the last category, which may be impossible. So the
    # likeliest action goes last.
    log_pi = np.ascontiguousarray(log_pi)
    order = np.argsort(log_pi, axis=-1)
    p = np.exp(np.take_along_axis(log_pi, order, axis=-1))
    p /= p.sum(axis=-1, keepdims=True)
    (*batch, n_actions) = p.shape
    p = p.reshape(*batch, *(1 for _ in repeats), n_actions)
    return rng.multinomial(n_samples, np.broadcast_to(p, (*batch, *repeats, n_actions))), order


def advantage_of(signal: Signal, log_pi: ArrayLike, *, divide_by: str = "policy") -> Array:
    """Advantage of each action as an algorithm sees it, (gain - loss) / pi.

    Parameters
    ----------
    signal : Signal
    log_pi : array_like, shape (..., A)
        The policy that was sampled.
    divide_by : {"policy", "weight"}
        By pi: unbiased, noisy where an action is rare. By its share of the samples ("weight"):
        the mean advantage of what was seen, 0 for what was not. That looks calmer than it is:
        it hides how often an action came up, and its expectation is (1 - (1 - pi)^n) A.

    Returns
    -------
    numpy.ndarray, shape (..., A)
        0 where the divisor is.

    Examples
    --------
    >>> log_pi = np.log([0.25, 0.75])
    >>> advantage_of(exact(log_pi, [3.0, -1.0]), log_pi).tolist()
    [3.0, -1.0]
    """
    _checks.choice("divide_by", divide_by, ("policy", "weight"))
    log_pi = _checks.policy("log_pi", log_pi)
    signal = _checked("signal", signal, log_pi=log_pi)
    return _ratio_to(signal, np.exp(log_pi) if divide_by == "policy" else signal.weight)


def _checked(name: str, signal: Signal, **others: ArrayLike) -> Signal:
    """Check a signal that comes from outside, and that its actions are those of other arrays."""
    if not isinstance(signal, Signal):
        raise TypeError(f"{name} must be a Signal; got {type(signal).__name__}")
    parts = {
        f"{name}.{field}": _checks.on_actions(f"{name}.{field}", part)
        for field, part in signal._asdict().items()
    }
    for whole, part in parts.items():
        _checks.number(whole, part, least=0.0)
    _checks.same_actions(**parts, **others)
    return Signal(*parts.values())


def _ratio_to(signal: Signal, share: Array) -> Array:
    """Divide gain - loss by a share, and 0 where there is none."""
    total = signal.gain - signal.loss
    if share.min(initial=1.0) > 0.0:
        return total / share
    total, share = np.broadcast_arrays(total, share)
    return np.divide(total, share, where=share > 0, out=np.zeros_like(total))


def aggregate(signal: Signal, lengths: ArrayLike, kind: str) -> Signal:
    """Weigh sequences of unequal length as a trainer does when it averages a loss over tokens.

    Parameters
    ----------
    signal : Signal
        One action for each sequence.
    lengths : array_like, shape (A,) or (..., A)
        Tokens in each sequence, > 0.
    kind : {"seq-mean-token-sum", "seq-mean-token-mean", "token-mean"}
        Sum the tokens of a sequence (the policy gradient); average them (factor 1/length, as in
        the first GRPO paper: long answers count less); average over all tokens of the batch
        (factor 1/mean length: right up to a step size that changes with the batch).

    Returns
    -------
    Signal

    Examples
    --------
    >>> signal = exact(np.log([0.5, 0.5]), [1.0, -1.0])
    >>> aggregate(signal, [1, 4], "seq-mean-token-mean").loss.tolist()
    [0.0, 0.125]
    """
    lengths = _checks.number("lengths", lengths, above=0.0)
    signal = _checked("signal", signal, lengths=_checks.on_actions("lengths", lengths))
    match kind:
        case "seq-mean-token-sum":
            factor = np.ones_like(lengths)
        case "seq-mean-token-mean":
            factor = 1.0 / lengths
        case "token-mean":
            factor = 1.0 / np.sum(signal.weight * lengths, axis=-1, keepdims=True)
        case _:
            raise ValueError(
                "kind must be 'seq-mean-token-sum', 'seq-mean-token-mean' or 'token-mean'; "
                f"got {kind!r}"
            )
    return Signal(*(factor * array for array in signal))
