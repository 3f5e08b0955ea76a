"""Estimators of the reference KL from samples, and what a gradient through each of them is."""

import numpy as np

from .. import _checks
from .._types import Array, ArrayLike
from ..simplex import excess

#: Ways to apply the reference penalty, as `kl_gradient_term` knows them.
KL_TERMS = ("exact", "k1_in_reward", "k1", "k2", "k3", "k3_corrected")


def kl_estimate(log_ratio: ArrayLike, kind: str) -> Array:
    """Estimate KL(pi || pi_ref) at samples of pi: k1 = d, k2 = d^2/2, k3 = e^-d - 1 + d.

    Parameters
    ----------
    log_ratio : array_like, shape (...)
        d = log pi - log pi_ref at each sample of pi.
    kind : {"k1", "k2", "k3"}

    Returns
    -------
    numpy.ndarray, shape (...)
        k1 and k3 are unbiased, k3 is never negative; k2 is biased at third order in d.

    Notes
    -----
    k3 is `simplex.excess`, which keeps its digits for small d. Source of the names: Schulman,
    Approximating KL divergence (2020).

    Examples
    --------
    >>> kl_estimate([0.5, -0.5], "k3").round(4).tolist()
    [0.1065, 0.1487]
    """
    log_ratio = _checks.number("log_ratio", log_ratio)
    match kind:
        case "k1":
            return log_ratio.copy()
        case "k2":
            return 0.5 * np.square(log_ratio)
        case "k3":
            return excess(log_ratio)
    raise ValueError(f"kind must be 'k1', 'k2' or 'k3'; got {kind!r}")


def kl_gradient_term(log_ratio: ArrayLike, kind: str, log_importance: ArrayLike = 0.0) -> Array:
    r"""Coefficient c of grad log pi in the gradient of a sampled reference penalty.

    The gradient of the penalty is the mean of c_i grad log pi(y_i) over samples y_i of pi_old, so
    that -beta c is what the penalty adds to an advantage. With d = log pi/pi_ref and
    rho = pi/pi_old:

    ================  ==========================  =======================  =====================
    kind              penalty                     c                        on-policy mean
    ================  ==========================  =======================  =====================
    ``exact``         KL(pi || pi_ref)            rho d                    grad KL(pi || pi_ref)
    ``k1_in_reward``  r - beta d, d held fixed    rho d_old                grad KL(pi || pi_ref)
    ``k1``            mean d                      1                        0: no force
    ``k2``            mean d^2/2                  d                        grad KL(pi || pi_ref)
    ``k3``            mean (e^-d - 1 + d)         1 - e^-d                 grad KL(pi_ref || pi)
    ``k3_corrected``  mean rho (e^-d - 1 + d)     rho d                    grad KL(pi || pi_ref)
    ================  ==========================  =======================  =====================

    Parameters
    ----------
    log_ratio : array_like, shape (...)
        d at the present policy.
    kind : str
        One of `KL_TERMS`.
    log_importance : array_like, shape (...)
        log rho; 0 on-policy.

    Returns
    -------
    numpy.ndarray, shape (...)

    Notes
    -----
    The derivative of an estimator is not an estimator of the derivative: the samples come from
    the policy that is differentiated. Multiplied by rho they do not any more, and the terms of
    k3 add up to rho (e^-d - 1 + d) + rho (1 - e^-d) = rho d. k3 goes to -inf where the policy has
    lost an action that the reference keeps.

    Examples
    --------
    >>> kl_gradient_term(np.log([2.0, 0.5]), "k3").tolist()
    [0.5, -1.0]
    """
    d = _checks.number("log_ratio", log_ratio)
    log_rho = _checks.number("log_importance", log_importance)
    _checks.broadcast(log_ratio=d, log_importance=log_rho)
    with np.errstate(over="ignore"):
        rho = np.exp(log_rho)
        match kind:
            case "exact" | "k3_corrected":
                return rho * d
            case "k1_in_reward":
                return rho * (d - log_rho)
            case "k1":
                return np.ones_like(d + rho)
            case "k2":
                return np.broadcast_to(d, (d + rho).shape).copy()
            case "k3":
                return np.broadcast_to(-np.expm1(-d), (d + rho).shape).copy()
    raise ValueError(f"kind must be one of {', '.join(KL_TERMS)}; got {kind!r}")
