"""The same formulas with many digits, written from the definitions and without any trick.

Every oracle takes the floats that the package got, as exact numbers. Fifty digits are plenty,
except where a mass of 1e-300 stands beside 1: inside `digits(...)` there are as many as asked.
"""

import mpmath as mp
import numpy as np

mp.mp.dps = 50
EPS = float(np.finfo(float).eps)

digits = mp.workdps


def many(x):
    """Exact numbers from floats: a list for the action axis, a number for a scalar."""
    array = np.asarray(x, dtype=float)
    return [mp.mpf(float(v)) for v in array] if array.ndim else mp.mpf(float(array))


def compare(actual, exact, *, rtol=1e-12, bound=0.0):
    """Assert |actual - exact| <= rtol |exact| or <= bound; return the worst relative error.

    Infinite and zero results must be hit exactly. `bound` is for results whose exponent was
    itself rounded; the tests that use it say where it comes from. Entries that only the bound
    covers do not count towards the returned error.
    """
    actual, exact = np.ravel(actual), list(np.ravel(np.asarray(exact, dtype=object)))
    assert actual.size == len(exact)
    worst = 0.0
    for i, (a, e, b) in enumerate(
        zip(actual, exact, np.broadcast_to(np.ravel(bound), actual.shape), strict=True)
    ):
        assert not np.isnan(a), f"entry {i} is NaN, should be {mp.nstr(mp.mpmathify(e), 20)}"
        if mp.isinf(e) or np.isinf(a) or e == 0:
            # Below the smallest float, 0 is the right answer for a tiny positive number.
            assert a == e or abs(a) <= b, f"entry {i}: {a!r}, should be {mp.nstr(e, 20)}"
            continue
        off = abs(mp.mpmathify(complex(a) if np.iscomplexobj(a) else float(a)) - e)
        tiny = abs(e) < mp.mpf("1e-307")
        relative = float(off / abs(e))
        assert relative <= rtol or off <= b or (tiny and off < mp.mpf("1e-307")), (
            f"entry {i}: {a!r}, should be {mp.nstr(e, 20)}: relative error {relative:.2g}, "
            f"error {float(off):.2g}, bound {b:.2g}"
        )
        if relative <= rtol and not tiny:
            worst = max(worst, relative)
    return worst


def log_sum_exp(x):
    """log sum exp x."""
    return mp.log(mp.fsum(mp.exp(v) for v in x))


def log_normalize(x):
    """x - log sum exp x; the largest by log1p of the others, so that fifty digits suffice."""
    x = [mp.mpmathify(v) for v in x]
    top = max(range(len(x)), key=x.__getitem__)
    rest = mp.fsum(mp.exp(v - x[top]) for i, v in enumerate(x) if i != top)
    return [v - x[top] - mp.log1p(rest) for v in x]


def tilt(log_p, direction):
    """Normalized p exp(d)."""
    return log_normalize([a + b for a, b in zip(many(log_p), many(direction), strict=True)])


def log_gibbs(log_ref, reward, tau):
    """Normalized ref exp(r/tau)."""
    tau = many(tau)
    return log_normalize([a + b / tau for a, b in zip(many(log_ref), many(reward), strict=True)])


def masses(log_p):
    """exp(log_p), divided by the sum: a float policy is normalized only to rounding."""
    p = [mp.exp(v) for v in (many(log_p) if not isinstance(log_p, list) else log_p)]
    total = mp.fsum(p)
    return [v / total for v in p]


def expect(log_p, values):
    """E_p[values]."""
    return mp.fsum(a * mp.mpmathify(b) for a, b in zip(masses(log_p), many(values), strict=True))


def variance(log_p, values):
    """Var_p[values]."""
    mean = expect(log_p, values)
    p = masses(log_p)
    return mp.fsum(a * (b - mean) ** 2 for a, b in zip(p, many(values), strict=True))


def log_partition(log_ref, reward, tau):
    """log E_ref[exp(r/tau)]."""
    tau, p = many(tau), masses(log_ref)
    return mp.log(mp.fsum(a * mp.exp(b / tau) for a, b in zip(p, many(reward), strict=True)))


def generalized_kl(log_p, log_q):
    """sum p log(p/q) - p + q: KL where both are normalized, and defined where they are not.

    Of two float policies, normalized only to 1e-16, the plain KL has an error of first order in
    what is missing; this one, of second order.
    """
    total = mp.mpf(0)
    for a, b in zip(many(log_p), many(log_q), strict=True):
        p, q = mp.exp(a), mp.exp(b)
        if p == 0:
            total += q
        elif q == 0:
            return mp.inf
        else:
            total += p * (a - b) - p + q
    return total


def entropy(log_p):
    """-sum p log p."""
    return -mp.fsum(p * mp.log(p) for p in masses(log_p) if p > 0)


def implicit_step(log_pi, log_ref, reward, tau, eta):
    """pi^c (ref exp(r/tau))^(1 - c), normalized, c = 1/(1 + eta tau)."""
    tau, eta = many(tau), many(eta)
    c = 1 / (1 + eta * tau)
    rows = zip(many(log_pi), many(log_ref), many(reward), strict=True)
    return log_normalize([c * a + (1 - c) * (b + r / tau) for a, b, r in rows])


def kl_flow(t, log_pi0, log_gibbs, tau):
    """pi_0^w (pi*)^(1 - w), normalized, w = exp(-tau t)."""
    w = mp.exp(-many(tau) * many(t))
    rows = zip(many(log_pi0), many(log_gibbs), strict=True)
    return log_normalize([w * a + (1 - w) * b for a, b in rows])


def log_odds(p_ref, *, log_p=False):
    """log((1 - p)/p)."""
    p = mp.exp(many(p_ref)) if log_p else many(p_ref)
    return mp.inf if p == 0 else -mp.inf if p == 1 else mp.log((1 - p) / p)


def trust_region(log_pi, advantage, radius, direction, guess):
    """(eta, log_new) for a binding constraint, by a root search around `guess` for eta.

    In the direction "old_new" eta follows from nu, which is found first, from a bracket.
    """
    log_p, a, radius = many(log_pi), many(advantage), many(radius)
    p = masses(log_pi)
    log_p = [mp.log(v) if v else -mp.inf for v in p]
    best = max(v for v, mass in zip(a, p, strict=True) if mass)

    def kl_of(x, y):
        return mp.fsum(mp.exp(u) * (u - v) for u, v in zip(x, y, strict=True) if mp.isfinite(u))

    def tilted(log_eta):
        return log_normalize([u + mp.exp(log_eta) * v for u, v in zip(log_p, a, strict=True)])

    def rational(log_nu):
        gap = [mp.exp(log_nu) + best - v for v in a]
        return log_normalize([u - mp.log(g) for u, g in zip(log_p, gap, strict=True)])

    if direction == "new_old":
        x = _root(lambda x: kl_of(tilted(x), log_p) - radius, mp.log(many(guess)))
        return mp.exp(x), tilted(x)
    x = _root(lambda x: kl_of(log_p, rational(x)) - radius, -mp.log(many(guess)), wide=True)
    eta = mp.fsum(mass / (mp.exp(x) + best - v) for mass, v in zip(p, a, strict=True))
    return eta, rational(x)


def _root(f, near, wide=False):
    """Root of a monotonic f: widen a bracket around `near`, then halve it a hundred times."""
    width = mp.mpf(1) if wide else mp.mpf("1e-3")
    while f(near - width) * f(near + width) > 0:
        width *= 2
    low, high = near - width, near + width
    sign = mp.sign(f(low))
    for _ in range(100):
        middle = (low + high) / 2
        low, high = (middle, high) if mp.sign(f(middle)) == sign else (low, middle)
    return (low + high) / 2
