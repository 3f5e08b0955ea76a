"""Inputs that many tests share: extreme systems, random policies, the table of public functions."""

import numpy as np
from hypothesis import strategies as st

from klrl_lite import (
    diagnostics,
    equilibria,
    flow,
    gibbs,
    problems,
    signals,
    simplex,
    thresholds,
)
from klrl_lite.algorithms import mirror
from klrl_lite.policies import linear, tabular

#: Temperatures from 1e-6 to 1e6, where the issue asks for twelve digits.
TAUS = np.geomspace(1e-6, 1e6, 13)


def systems():
    """Reference policies with rewards that have broken formulas: name -> (log_ref, reward)."""
    rng = np.random.default_rng(0)
    rare = simplex.log_normalize([0.0, np.log(1e-300)])
    return {
        "even": (np.log([0.5, 0.5]), np.array([0.0, 1.0])),
        "rewards below zero": (np.log([0.25, 0.75]), np.array([0.0, -1.0])),
        "support 1e-300": (rare, np.array([0.0, 1.0])),
        "support 1e-300, bad": (rare, np.array([1.0, 0.0])),
        "no support for the best": (np.array([np.log(0.4), np.log(0.6), -np.inf]), [0.0, 1.0, 9.0]),
        "large constant": (np.log([0.2, 0.3, 0.5]), 1e6 + np.array([0.0, 1.0, 0.25])),
        "nearly tied": (np.log([0.2, 0.3, 0.5]), np.array([1.0, 1.0 + 1e-9, 0.0])),
        "seven": (simplex.log_normalize(rng.normal(0, 5, 7)), rng.random(7)),
        "a thousand": (simplex.log_normalize(rng.normal(0, 20, 1000)), rng.random(1000)),
    }


def mass_digits(log_p):
    """Digits that an oracle needs so that the smallest mass is seen beside 1."""
    finite = np.asarray(log_p)[np.isfinite(log_p)]
    return 50 + 2 * int(-finite.min() / np.log(10))


# --- hypothesis ---


@st.composite
def policies(draw, n=None, spread=20.0, holes=False):
    """Log-probabilities over n actions (2 to 6); with `holes`, some of them impossible."""
    n = draw(st.integers(2, 6)) if n is None else n
    logits = np.array(draw(st.lists(st.floats(-spread, spread), min_size=n, max_size=n)))
    if holes:
        closed = np.array(draw(st.lists(st.booleans(), min_size=n, max_size=n)))
        closed[draw(st.integers(0, n - 1))] = False
        logits[closed] = -np.inf
    return simplex.log_normalize(logits)


def vectors(n, size=5.0):
    """Values over n actions, on a grid fine enough and without denormals."""
    value = st.integers(-1000, 1000).map(lambda k: size * k / 1000)
    return st.lists(value, min_size=n, max_size=n).map(np.array)


def positive(low=-2.0, high=2.0):
    """Temperatures and steps, log-uniform."""
    return st.floats(low, high).map(lambda x: 10.0**x)


# --- the table of public functions ---

N_ACTIONS = 4
TABULAR = tabular(N_ACTIONS)
LINEAR = linear(np.random.default_rng(0).normal(size=(N_ACTIONS, N_ACTIONS)))


def draw_role(role, rng, batch=()):
    """Valid random values for an argument of the given role, for a batch of the given shape."""
    actions = (*batch, N_ACTIONS)
    match role:
        case "policy":
            return simplex.log_normalize(rng.normal(0, 2, actions))
        case "logits" | "actions":
            return rng.normal(0, 2, actions)
        case "inside":
            return rng.uniform(0.1, 2.0, actions)
        case "positive" | "nonnegative":
            return rng.uniform(0.1, 2.0, batch)
        case "support" | "open support":
            return rng.uniform(0.01, 0.45, batch)
        case "real":
            return rng.normal(0, 2, batch)
        case "draws":
            return rng.integers(10, 20, batch).astype(float)
        case "right":
            return rng.integers(0, 10, batch).astype(float)
        case "drawn":
            return rng.integers(1, 10, batch).astype(float)
    raise AssertionError(role)


def _bregman(mirror_map):
    def divergence(x, y):
        return simplex.bregman(mirror_map, x, y)

    return divergence


def _chain(credit):
    def masses_and_rewards(q_step, step_gap):
        problem = problems.chain(q_step, 5, step_gap, credit=credit)
        shape = np.broadcast_shapes(problem.log_ref.shape, problem.reward.shape)
        return np.broadcast_to(problem.log_ref, shape), np.broadcast_to(problem.reward, shape)

    return masses_and_rewards


def _two_levels(p_ref, gap):
    problem = problems.binary(p_ref, gap)
    return problem.log_ref, problem.reward


def _levels(log_mass, reward):
    problem = problems.levels(log_mass, reward)
    return np.broadcast_arrays(problem.log_ref, problem.reward)


def _descent(x0, eta):
    # The path has its steps on the first axis; the batch must come first here.
    path, stuck = mirror.euclidean_descent(np.log, x0, eta, 3)
    return np.moveaxis(path, 0, -2), stuck


def _estimate(kind):
    return lambda log_ratio: signals.kl_estimate(log_ratio, kind)


def _penalty(kind):
    def coefficient(log_ratio, log_importance):
        return signals.kl_gradient_term(log_ratio, kind, log_importance)

    return coefficient


def _force_of_four(success):
    return equilibria.std_advantage_force(success, 4)


def _of_groups_of_four(p_ref, beta):
    return equilibria.k3_std_fixed_point(p_ref, beta, 4)


def _other_way(log_pi, advantage, kl_radius):
    return mirror.trust_region_step(log_pi, advantage, kl_radius, direction="old_new")


#: Public functions: name -> (function, {argument: role}). The tests of batching, of wrong input
#: and of untouched input run over this table; one of them checks that no function is missing.
PUBLIC = {
    "excess": (simplex.excess, {"d": "real"}),
    "log_normalize": (simplex.log_normalize, {"logits": "logits"}),
    "tilt": (simplex.tilt, {"log_p": "logits", "direction": "actions"}),
    "kl": (simplex.kl, {"log_p": "policy", "log_q": "policy"}),
    "entropy": (simplex.entropy, {"log_p": "policy"}),
    "expect": (simplex.expect, {"log_p": "logits", "values": "actions"}),
    "bregman": (_bregman(simplex.EUCLIDEAN), {"x": "actions", "y": "actions"}),
    "bregman (entropy)": (_bregman(simplex.NEGATIVE_ENTROPY), {"x": "inside", "y": "inside"}),
    "bregman (Burg)": (_bregman(simplex.BURG), {"x": "inside", "y": "inside"}),
    "project_to_simplex": (simplex.project_to_simplex, {"x": "actions"}),
    "fisher_inner": (
        simplex.fisher_inner,
        {"u": "actions", "v": "actions", "log_p": "policy"},
    ),
    "fisher_cosine": (
        simplex.fisher_cosine,
        {"u": "actions", "v": "actions", "log_p": "policy"},
    ),
    "log_gibbs": (gibbs.log_gibbs, {"log_ref": "policy", "reward": "actions", "tau": "positive"}),
    "log_partition": (
        gibbs.log_partition,
        {"log_ref": "policy", "reward": "actions", "tau": "positive"},
    ),
    "free_energy": (
        gibbs.free_energy,
        {"log_pi": "policy", "log_ref": "policy", "reward": "actions", "tau": "positive"},
    ),
    "soft_advantage": (
        gibbs.soft_advantage,
        {"log_pi": "policy", "log_ref": "policy", "reward": "actions", "tau": "positive"},
    ),
    "heat_capacity": (
        gibbs.heat_capacity,
        {"log_ref": "policy", "reward": "actions", "tau": "positive"},
    ),
    "binary": (_two_levels, {"p_ref": "support", "gap": "real"}),
    "levels": (_levels, {"log_mass": "logits", "reward": "actions"}),
    "chain": (_chain("all"), {"q_step": "open support", "step_gap": "real"}),
    "chain (additive)": (_chain("additive"), {"q_step": "open support", "step_gap": "real"}),
    "chain (graded)": (_chain(np.square), {"q_step": "open support", "step_gap": "real"}),
    "log_odds_against": (thresholds.log_odds_against, {"p_ref": "support"}),
    "critical_tau": (thresholds.critical_tau, {"p_ref": "support", "gap": "nonnegative"}),
    "success_probability": (
        thresholds.success_probability,
        {"p_ref": "support", "gap": "real", "tau": "positive"},
    ),
    "crossover_width": (thresholds.crossover_width, {"p_ref": "support", "gap": "nonnegative"}),
    "heat_capacity_peak": (
        thresholds.heat_capacity_peak,
        {"p_ref": "open support", "gap": "positive"},
    ),
    "fisher_zeros": (thresholds.fisher_zeros, {"p_ref": "open support", "gap": "positive"}),
    "pass_at_k": (thresholds.pass_at_k, {"n": "draws", "c": "right", "k": "drawn"}),
    "replicator": (flow.replicator, {"log_pi": "policy", "advantage": "actions"}),
    "kl_flow": (
        flow.kl_flow,
        {"t": "nonnegative", "log_pi0": "policy", "log_gibbs": "policy", "tau": "positive"},
    ),
    "explicit_step": (
        mirror.explicit_step,
        {"log_pi": "policy", "advantage": "actions", "eta": "nonnegative"},
    ),
    "implicit_step": (
        mirror.implicit_step,
        {
            "log_pi": "policy",
            "log_ref": "policy",
            "reward": "actions",
            "tau": "positive",
            "eta": "positive",
        },
    ),
    "euclidean_step": (
        mirror.euclidean_step,
        {"x": "actions", "gradient": "actions", "eta": "nonnegative"},
    ),
    "euclidean_descent": (_descent, {"x0": "inside", "eta": "nonnegative"}),
    "trust_region_step": (
        mirror.trust_region_step,
        {"log_pi": "policy", "advantage": "actions", "kl_radius": "positive"},
    ),
    "trust_region_step (old_new)": (
        _other_way,
        {"log_pi": "policy", "advantage": "actions", "kl_radius": "positive"},
    ),
    "kl_to_target": (
        diagnostics.kl_to_target,
        {"log_pi": "policy", "log_ref": "policy", "reward": "actions", "tau": "positive"},
    ),
    "total_variation": (diagnostics.total_variation, {"log_p": "policy", "log_q": "policy"}),
    "off_curve": (
        diagnostics.off_curve,
        {"log_pi": "policy", "log_ref": "policy", "reward": "actions"},
    ),
    "effective_temperature": (
        diagnostics.effective_temperature,
        {"log_pi": "policy", "log_ref": "policy", "reward": "actions"},
    ),
    "geodesic_distance": (diagnostics.geodesic_distance, {"log_p": "policy", "log_q": "policy"}),
    "alignment": (
        diagnostics.alignment,
        {"log_new": "policy", "log_old": "policy", "advantage": "actions"},
    ),
    "realized": (diagnostics.realized, {"log_new": "policy", "log_old": "policy"}),
    **{f"kl_estimate ({k})": (_estimate(k), {"log_ratio": "real"}) for k in ("k1", "k2", "k3")},
    **{
        f"kl_gradient_term ({kind})": (
            _penalty(kind),
            {"log_ratio": "real", "log_importance": "real"},
        )
        for kind in signals.KL_TERMS
    },
    "exact": (signals.exact, {"log_pi": "policy", "advantage": "actions"}),
    "group_advantages": (signals.group_advantages, {"rewards": "actions"}),
    "tabular.log_prob": (TABULAR.log_prob, {"theta": "logits"}),
    "tabular.jvp": (TABULAR.jvp, {"theta": "logits", "v": "actions"}),
    "tabular.vjp": (TABULAR.vjp, {"theta": "logits", "w": "actions"}),
    "linear.log_prob": (LINEAR.log_prob, {"theta": "actions"}),
    "linear.jvp": (LINEAR.jvp, {"theta": "actions", "v": "actions"}),
    "linear.vjp": (LINEAR.vjp, {"theta": "actions", "w": "actions"}),
    "std_advantage_force": (equilibria.std_advantage_force, {"success": "support"}),
    "std_advantage_force (G)": (_force_of_four, {"success": "support"}),
    "grpo_spinodal": (equilibria.grpo_spinodal, {"p_ref": "support"}),
    "k2_fixed_point": (
        equilibria.k2_fixed_point,
        {"p_ref": "support", "beta": "positive", "gap": "real"},
    ),
    "k3_fixed_point": (
        equilibria.k3_fixed_point,
        {"p_ref": "support", "beta": "positive", "gap": "real"},
    ),
    "k3_std_fixed_point": (
        equilibria.k3_std_fixed_point,
        {"p_ref": "open support", "beta": "positive"},
    ),
    "k3_std_fixed_point (G)": (_of_groups_of_four, {"p_ref": "open support", "beta": "positive"}),
    "pass_at_k_of": (diagnostics.pass_at_k_of, {"success": "support", "k": "drawn"}),
}

#: Public functions that the table leaves out, and where they are tested instead.
ELSEWHERE = {
    "log_support": "takes log_p by position; tested through binary and log_odds_against",
    "random_bandit": "one random problem, no batch; test_problems",
    "random_energy": "one random problem, no batch; test_problems",
    "collapse_spread": "one number for a set of curves; test_thresholds",
    "fit_crossing": "points on the last axis; test_thresholds",
    "bisect": "takes a function; test_solvers",
    "iterate": "takes a function; test_mirror",
    "integrate": "takes a field; test_equilibria",
    **dict.fromkeys(("proximal_kl_spent", "fisher_length"), "steps first; test_diagnostics"),
    **dict.fromkeys(("crossing_at", "susceptibility", "bootstrap"), "test_diagnostics_sweeps"),
    **dict.fromkeys(("conjugate_gradient", "backtrack", "adam", "sgd"), "test_solvers_linear"),
    **dict.fromkeys(("mirror_descent", "proximal", "trust_region"), "test_conformance"),
}


def flat(result):
    """The arrays in a result, whether one or several, nested or not."""
    if isinstance(result, tuple | list):
        return [array for part in result for array in flat(part)]
    return [np.asarray(result)]
