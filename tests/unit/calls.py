"""Public functions that the table of `samples` cannot hold: they take options, signals, functions.

Each row is one valid call: name -> (function, {argument: (role, value)}). The tests of wrong input
spoil one argument at a time as its role says; an argument whose role is None is left alone.
"""

import importlib
import inspect

import numpy as np

from klrl_lite import equilibria, flow, policies, problems, signals, solvers, thresholds
from klrl_lite.algorithms import base, euclidean, mirror, ppo, trpo
from klrl_lite.algorithms.grpo import group_signal, grpo
from klrl_lite.diagnostics import cells, lineup, observed, path
from klrl_lite.diagnostics.gaps import gaps
from klrl_lite.signals import batches

LOG_PI = np.log([0.5, 0.25, 0.25])
REWARD = np.array([0.0, 1.0, -1.0])
SIGNAL = signals.exact(LOG_PI, REWARD)
STATE = base.PolicyState(LOG_PI)
FEATURES = np.array([[0.0, 1.0], [1.0, 0.0], [2.0, 1.0]])
TABULAR, LINEAR = policies.tabular(3), policies.linear(FEATURES)
NETWORK = policies.autoregressive(2, 3)
THETA = NETWORK.init(rng=np.random.default_rng(0)).astype(np.float32).astype(float)


def _made(make, start=LOG_PI):
    """Make an algorithm and take a step: what one gets for an argument shows in one of the two."""

    def first_step(**options):
        init, step = make(**options)
        return step(init(start), SIGNAL)

    return first_step


def _signal_of_state(**options):
    return group_signal(**options)(STATE)


def _two_problems(**options):
    problem = problems.chain(**options)
    return problem.log_ref, problem.reward


def _optimizer(make):
    def first_increment(**options):
        init, update = make(**options)
        return update(REWARD, init(np.zeros(3)))[0]

    return first_increment


def _cells(make, **coordinates):
    def evaluate(**options):
        return tuple(make(**options)(**coordinates, rng=np.random.default_rng(0)).values())

    return evaluate


def _policy_of(make):
    def start(**options):
        policy = make(**options)
        return policy.log_prob(np.zeros(policy.n_params))

    return start


def _match(**options):
    match = lineup.prepare(**options)
    return match.drawn(match.algorithm.init(match.start))


GROUP_OPTIONS = {
    "normalize": ("flag", True),
    "ddof": ("count0", 0),
    "std_floor": ("one nonnegative", 0.5),
    "floor_kind": ("choice", "add"),
    "baseline": ("choice", "mean"),
    "singleton": ("choice", "zero"),
}
CLIPS = {"clip": ("limit", 0.25), "clip_high": ("limit or None", 0.5), "dual_clip": ("limit", 3.0)}
CG = {
    "max_iter": ("count0", 5),
    "rtol": ("one nonnegative", 1e-10),
    "damping": ("one nonnegative", 0.125),
}

CALLS = {
    # --- signals ---
    "exact": (signals.exact, {"log_pi": ("policy", LOG_PI), "advantage": ("actions", REWARD)}),
    "sampled": (
        signals.sampled,
        {
            "log_pi": ("policy", LOG_PI),
            "advantage": ("actions", REWARD),
            "n_samples": ("count", 5),
            "rng": ("rng", None),
        },
    ),
    "counts": (
        batches.counts,
        {"log_pi": ("policy", LOG_PI), "n_samples": ("count", 5), "rng": ("rng", None)},
    ),
    "advantage_of": (
        signals.advantage_of,
        {
            "signal": ("signal", SIGNAL),
            "log_pi": ("policy", LOG_PI),
            "divide_by": ("choice", "policy"),
        },
    ),
    "aggregate": (
        signals.aggregate,
        {
            "signal": ("signal", SIGNAL),
            "lengths": ("lengths", np.array([1.0, 2.0, 3.0])),
            "kind": ("choice", "token-mean"),
        },
    ),
    "kl_estimate": (
        signals.kl_estimate,
        {"log_ratio": ("real", np.array([0.5, -0.5])), "kind": ("choice", "k3")},
    ),
    "kl_gradient_term": (
        signals.kl_gradient_term,
        {
            "log_ratio": ("real", np.array([0.5, -0.5])),
            "kind": ("choice", "k3"),
            "log_importance": ("real", np.array(0.25)),
        },
    ),
    "grouped": (
        signals.grouped,
        {
            "log_pi": ("policy", LOG_PI),
            "reward": ("actions", REWARD),
            "group_size": ("count", 4),
            "n_groups": ("count", 3),
            "rng": ("rng", None),
            **GROUP_OPTIONS,
        },
    ),
    "grouped_expected": (
        signals.grouped_expected,
        {
            "log_pi": ("policy", LOG_PI),
            "reward": ("actions", REWARD),
            "group_size": ("count", 4),
            "max_terms": ("count", 1000),
            **GROUP_OPTIONS,
        },
    ),
    "group_advantages": (signals.group_advantages, {"rewards": ("alone", REWARD), **GROUP_OPTIONS}),
    "gae": (
        signals.gae,
        {
            "rewards": ("steps", np.array([0.0, 1.0])),
            "values": ("steps", np.array([0.5, 0.25])),
            "last_value": ("real", np.array(0.5)),
            "done": ("flags", np.array([False, True])),
            "discount": ("support", np.array(0.875)),
            "lam": ("support", np.array(0.5)),
            "truncated": ("flags", np.array([True, False])),
            "final_values": ("table", np.array([1.0, 1.0])),
        },
    ),
    # --- policies ---
    "tabular": (_policy_of(policies.tabular), {"n_actions": ("count", 3)}),
    "tabular.init": (TABULAR.init, {"log_pi": ("policy or None", LOG_PI)}),
    "tabular.log_prob": (TABULAR.log_prob, {"theta": ("logits", REWARD)}),
    "tabular.jvp": (TABULAR.jvp, {"theta": ("logits", REWARD), "v": ("actions", REWARD)}),
    "tabular.vjp": (TABULAR.vjp, {"theta": ("logits", REWARD), "w": ("actions", REWARD)}),
    "linear": (
        _policy_of(policies.linear),
        {"features": ("table", FEATURES), "log_base": ("policy or None", LOG_PI)},
    ),
    "linear.log_prob": (LINEAR.log_prob, {"theta": ("theta", REWARD[:2])}),
    "linear.jvp": (LINEAR.jvp, {"theta": ("theta", REWARD[:2]), "v": ("theta", REWARD[1:])}),
    "linear.vjp": (LINEAR.vjp, {"theta": ("theta", REWARD[:2]), "w": ("theta", REWARD)}),
    "autoregressive": (
        _policy_of(policies.autoregressive),
        {"n_steps": ("count", 2), "n_hidden": ("count", 3), "vocabulary": ("count2", 2)},
    ),
    "autoregressive.init": (
        NETWORK.init,
        {"rng": ("rng", None), "scale": ("one nonnegative", 1.0)},
    ),
    "autoregressive.log_prob": (NETWORK.log_prob, {"theta": ("theta", THETA)}),
    "autoregressive.jvp": (NETWORK.jvp, {"theta": ("theta", THETA), "v": ("theta", 2.0 * THETA)}),
    "autoregressive.vjp": (
        NETWORK.vjp,
        {"theta": ("theta", THETA), "w": ("theta", np.array([0.0, 1.0, -1.0, 2.0]))},
    ),
    "sequences": (policies.sequences, {"n_steps": ("count", 2), "vocabulary": ("count2", 2)}),
    "tangent_at": (
        lambda policy, theta: policies.tangent_at(policy, theta).log_pi,
        {"policy": (None, TABULAR), "theta": ("logits", REWARD)},
    ),
    "fisher_vector_product": (
        policies.fisher_vector_product,
        {"policy": (None, TABULAR), "theta": ("logits", REWARD), "v": ("actions", REWARD)},
    ),
    # --- fixed points ---
    "grpo_equilibria": (
        equilibria.grpo_equilibria,
        {
            "p_ref": ("one open support", 0.125),
            "beta": ("one positive", 0.5),
            "group_size": ("size", 8),
        },
    ),
    "grpo_folds": (
        equilibria.grpo_folds,
        {"p_ref": ("one open support", 0.0009765625), "group_size": ("size", 16)},
    ),
    "grpo_fold_price": (equilibria.grpo_fold_price, {"group_size": ("size", 16)}),
    "token_fixed_point": (
        equilibria.token_fixed_point,
        {
            "q_steps": ("chances", np.array([0.5, 0.25])),
            "beta": ("positive", np.array(0.5)),
            "gap": ("real", np.array(1.0)),
            "penalty": ("choice", "k2"),
        },
    ),
    "rule_equilibria": (
        equilibria.rule_equilibria,
        {
            "q_steps": ("chances", np.array([0.5, 0.25])),
            "beta": ("one positive", 0.5),
            "advantage": ("choice", "std"),
            "penalty": ("choice", "k2"),
            "per_token": ("flag", True),
            "group_size": ("size", 8),
        },
    ),
    "rule_crossing": (
        equilibria.rule_crossing,
        {
            "q_steps": ("chances", np.array([0.5, 0.25])),
            "level": ("one open support", 0.5),
            "advantage": ("choice", "mean"),
            "penalty": ("choice", "k2"),
            "per_token": ("flag", False),
            "group_size": ("size", 8),
        },
    ),
    # --- solvers ---
    "bisect": (
        solvers.bisect,
        {
            "f": (None, lambda x: x - 0.5),
            "low": ("real", np.array([0.0, 0.25])),
            "high": ("real", np.array(1.0)),
            "rtol": ("one nonnegative", 1e-12),
            "max_iter": ("count", 100),
        },
    ),
    "conjugate_gradient": (
        solvers.conjugate_gradient,
        {
            "matvec": (None, lambda v: 2.0 * v),
            "b": ("alone", REWARD),
            "max_iter": ("count0", 5),
            "rtol": ("nonnegative", np.array(1e-10)),
        },
    ),
    "backtrack": (
        solvers.backtrack,
        {
            "accept": (None, lambda s: s < 0.3),
            "first": ("real", np.array([1.0, 0.25])),
            "shrink": ("share", 0.5),
            "max_iter": ("count0", 5),
        },
    ),
    "adam": (
        _optimizer(solvers.adam),
        {
            "learning_rate": ("positive", np.array(0.125)),
            "beta1": ("decay", 0.5),
            "beta2": ("decay", 0.75),
            "epsilon": ("one nonnegative", 2.0**-20),
        },
    ),
    "sgd": (_optimizer(solvers.sgd), {"learning_rate": ("positive", np.array(0.125))}),
    # --- algorithms ---
    "run": (
        base.run,
        {
            "algorithm": (None, mirror.mirror_descent(0.5)),
            "start": (None, LOG_PI),  # checked by the algorithm, under its own name
            "signal_fn": (None, lambda s: signals.exact(s.log_pi, REWARD)),
            "n_steps": ("count0", 2),
            "path": ("flag", True),
        },
    ),
    "iterate": (
        base.iterate,
        {"step": (None, lambda x: x / 2), "start": ("state", REWARD), "n_steps": ("count0", 2)},
    ),
    "make_optimizer": (
        _optimizer(lambda optimizer, learning_rate: base.make_optimizer(optimizer, learning_rate)),
        {"optimizer": ("choice", "adam"), "learning_rate": ("positive", np.array(0.5))},
    ),
    "mirror_descent": (_made(mirror.mirror_descent), {"eta": ("nonnegative", np.array(0.5))}),
    "proximal": (
        _made(mirror.proximal),
        {
            "log_ref": ("policy", LOG_PI),
            "tau": ("positive", np.array(0.5)),
            "eta": ("positive", np.array(0.5)),
        },
    ),
    "trust_region": (
        _made(mirror.trust_region),
        {"kl_radius": ("positive", np.array(0.125)), "direction": ("choice", "new_old")},
    ),
    "euclidean_descent (steps)": (
        euclidean.euclidean_descent,
        {
            "gradient": (None, lambda x: x),
            "x0": ("alone", np.array([0.5, 0.5])),
            "eta": ("nonnegative", np.array(0.125)),
            "n_steps": ("count0", 2),
        },
    ),
    "clipped_surrogate": (
        ppo.clipped_surrogate,
        {"log_ratio": ("ratios", REWARD), "signal": ("signal", SIGNAL), **CLIPS},
    ),
    "clipped_surrogate_gradient": (
        ppo.clipped_surrogate_gradient,
        {"log_ratio": ("ratios", REWARD), "signal": ("signal", SIGNAL), **CLIPS},
    ),
    "reference_gradient": (
        ppo.reference_gradient,
        {
            "log_pi": ("policy", LOG_PI),
            "log_old": ("policy", LOG_PI),
            "log_ref": ("policy", LOG_PI),
            "signal": ("signal", SIGNAL),
            "kind": ("choice", "k3"),
        },
    ),
    "ppo": (
        _made(ppo.ppo),
        {
            "policy": (None, TABULAR),
            "epochs": ("count", 2),
            "learning_rate": ("positive", np.array(0.125)),
            "optimizer": ("choice", "adam"),
            "log_ref": ("policy", LOG_PI),
            "beta": ("nonnegative", np.array(0.5)),
            "penalty": ("choice", "k3"),
            "critic_rate": ("positive or None", np.array(0.5)),
            **CLIPS,
        },
    ),
    "grpo": (
        _made(grpo),
        {
            "policy": (None, TABULAR),
            "log_ref": ("policy", LOG_PI),
            "beta": ("nonnegative", np.array(0.5)),
            "penalty": ("choice", "k3"),
            "epochs": ("count", 2),
            "learning_rate": ("positive", np.array(0.125)),
            "optimizer": ("choice", "adam"),
            **CLIPS,
        },
    ),
    "group_signal": (
        _signal_of_state,
        {
            "reward": ("actions", REWARD),
            "group_size": ("count", 4),
            "n_groups": ("count", 3),
            "rng": ("rng", None),
            "log_ref": ("policy", LOG_PI),
            "beta": ("nonnegative", np.array(0.5)),
            "penalty": ("choice", "k1_in_reward"),
        },
    ),
    "natural_direction": (
        trpo.natural_direction,
        {
            "policy": (None, TABULAR),
            "theta": ("logits", REWARD),
            "signal": ("signal", SIGNAL),
            **CG,
        },
    ),
    "natural_gradient": (
        _made(trpo.natural_gradient),
        {"policy": (None, TABULAR), "eta": ("nonnegative", np.array(0.5)), **CG},
    ),
    "trpo": (
        _made(trpo.trpo),
        {
            "policy": (None, TABULAR),
            "kl_radius": ("positive", np.array(0.125)),
            "direction": ("choice", "new_old"),
            "line_search": ("flag", True),
            "shrink": ("share", 0.5),
            "max_backtracks": ("count0", 3),
            **CG,
        },
    ),
    # --- problems, flow, thresholds ---
    "random_bandit": (
        lambda **k: vars(problems.random_bandit(**k))["log_ref"],
        {"n_actions": ("count", 3), "rng": ("rng", None), "concentration": ("one positive", 0.5)},
    ),
    "random_energy": (
        lambda **k: vars(problems.random_energy(**k))["reward"],
        {"n_steps": ("count", 3), "sigma": ("one positive", 0.5), "rng": ("rng", None)},
    ),
    "chain (options)": (
        _two_problems,
        {
            "q_step": ("open support", np.array(0.5)),
            "n_steps": ("count", 3),
            "step_gap": ("real", np.array(1.0)),
            "credit": ("choice", "additive"),
        },
    ),
    "log_support": (
        problems.log_support,
        {"p_ref": ("support", np.array(0.5)), "log_p": ("flag", False)},
    ),
    "integrate": (
        flow.integrate,
        {
            "field": (None, lambda t, x: flow.replicator(x, REWARD)),
            "log_pi0": ("policy", LOG_PI),
            "t_eval": ("times", np.array([0.0, 1.0])),
            "rtol": ("one positive", 1e-6),
            "atol": ("one positive", 1e-8),
        },
    ),
    "fisher_zeros (options)": (
        thresholds.fisher_zeros,
        {
            "p_ref": ("open support", np.array(0.125)),
            "gap": ("positive", np.array(1.0)),
            "n_zeros": ("count", 2),
        },
    ),
    "crossover_width (options)": (
        thresholds.crossover_width,
        {
            "p_ref": ("support", np.array(0.125)),
            "gap": ("nonnegative", np.array(1.0)),
            "level": ("below half", np.array(0.25)),
        },
    ),
    "collapse_spread": (
        thresholds.collapse_spread,
        {
            "x": ("table", np.array([[0.0, 1.0], [0.0, 1.0]])),
            "y": ("table", np.array([[0.0, 1.0], [0.0, 0.5]])),
            "n_points": ("count", 5),
        },
    ),
    "fit_crossing": (
        thresholds.fit_crossing,
        {
            "tau": ("table", np.array([0.125, 0.25, 0.5, 0.75])),
            "success": ("table", np.array([0.875, 0.5, 0.375, 0.25])),
            "trials": ("positive or None", np.array([10.0, 10.0, 10.0, 10.0])),
            "max_iter": ("count", 20),
        },
    ),
    # --- diagnostics ---
    "crossing_at": (
        observed.crossing_at,
        {
            "tau": ("table", np.array([1.0, 4.0])),
            "curve": ("table", np.array([0.75, 0.25])),
            "level": ("level", 0.5),
        },
    ),
    "susceptibility": (
        observed.susceptibility,
        {
            "tau": ("table", np.array([1.0, 2.0, 4.0])),
            "curve": ("table", np.array([0.75, 0.5, 0.25])),
        },
    ),
    "bootstrap": (
        observed.bootstrap,
        {
            "values": ("state", np.array([1.0, 2.0, 4.0, 8.0])),
            "rng": ("rng", None),
            "level": ("share", 0.75),
            "n_resamples": ("count", 50),
        },
    ),
    "proximal_kl_spent": (path.proximal_kl_spent, {"path": ("path", np.stack([LOG_PI, LOG_PI]))}),
    "fisher_length": (path.fisher_length, {"path": ("path", np.stack([LOG_PI, LOG_PI]))}),
    "gaps": (
        gaps,
        {
            "algorithm": (None, mirror.mirror_descent(0.5)),
            "state": (None, STATE),
            "advantage": ("alone", REWARD),
            "exact": ("signal", SIGNAL),
            "expected": ("signal", SIGNAL),
            "drawn": ("signal", SIGNAL),
        },
    ),
    "sixteen": (
        lambda **k: vars(cells.sixteen(**k))["reward"],
        {"p_ref": ("support", np.array(0.125)), "gap": ("real", np.array(1.0))},
    ),
    "plane_cells": (
        _cells(cells.plane_cells, tau=np.array([0.5]), p=np.array([0.125])),
        {
            "name": ("choice", "mirror"),
            "signal": ("choice", "exact"),
            "chain": ("flag", False),
            "n_steps": ("count", 2),
        },
    ),
    "board_cells": (
        _cells(cells.board_cells, x=np.ones(1), seed=np.zeros(1)),
        {
            "name": ("choice", "mirror"),
            "kind": ("choice", "tabular"),
            "n_steps": ("count", 52),
            "gap_every": ("count", 13),
        },
    ),
    "arena": (
        lambda **k: cells.arena(**k).log_ref,
        {"kind": ("choice", "tabular"), "seeds": ("seeds", np.array([0.0, 1.0]))},
    ),
    "prepare": (
        _match,
        {
            "name": ("choice", "mirror"),
            "log_ref": ("policy", LOG_PI),
            "reward": ("actions", REWARD),
            "tau": ("positive", np.array(0.5)),
            "rng": ("rng", None),
        },
    ),
}

#: Modules whose functions have to be in this table, in that of `samples`, or here with a reason.
MODULES = (
    *(f"simplex.{name}" for name in ("normalize", "divergence", "moments", "bregman")),
    *("gibbs", "problems", "flow", "solvers", "policies"),
    *(f"signals.{name}" for name in ("batches", "estimators", "groups", "raw")),
    *(f"algorithms.{name}" for name in ("base", "euclidean", "mirror", "region", "trpo", "ppo")),
    *("algorithms.grpo", "thresholds.binary", "thresholds.measured"),
    *(f"equilibria.{name}" for name in ("std", "folds", "penalties", "rules")),
    *(f"diagnostics.{name}" for name in ("target", "path", "observed", "gaps", "cells", "lineup")),
)
NOT_HERE = {
    "log_ratio": "of two policies that were checked; inside of every step",
    "group_rule": "options of a group, checked; its arguments come from the package",
    "follow": "runs a match that `prepare` has checked",
}


def functions():
    """Names of the public functions of all numerical modules."""
    for module in (importlib.import_module(f"klrl_lite.{name}") for name in MODULES):
        for name, thing in vars(module).items():
            here = getattr(thing, "__module__", None) == module.__name__
            if here and not name.startswith("_") and inspect.isfunction(thing):
                yield name


def valid(name):
    """Arguments of the row: fresh copies, with a generator that is always in the same state."""
    made = {}
    for argument, (role, value) in CALLS[name][1].items():
        if role == "rng":
            value = np.random.default_rng(0)
        elif isinstance(value, np.ndarray):
            value = value.copy()
        made[argument] = value
    return made


__all__ = ["CALLS", "NOT_HERE", "functions", "valid"]
