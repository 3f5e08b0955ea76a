"""The phase plane that the targets are about: every algorithm over temperature and support.

One right answer of reward 1 and mass p under the reference, 15 wrong ones that share the rest
unequally. A cell of the plane is a run of `n_steps` steps.
"""

from functools import partial

import numpy as np

from klrl_lite.algorithms import REGISTRY, run
from klrl_lite.algorithms.grpo import group_signal
from klrl_lite.gibbs import soft_advantage
from klrl_lite.policies import tabular
from klrl_lite.signals import exact, sampled
from klrl_lite.simplex import expect, kl

N_ACTIONS, N_SAMPLES, GROUP = 16, 64, 8
REWARD = np.eye(N_ACTIONS)[0]
WRONG = np.log(np.arange(1.0, N_ACTIONS) / np.arange(1.0, N_ACTIONS).sum())
POLICY = tabular(N_ACTIONS)

#: name -> (algorithm of the registry, its options, what kind of signal it takes).
ENTRIES = {
    "mirror_descent": ("mirror_descent", {"eta": 0.3}, "shaped"),
    "proximal": ("proximal", {"eta": 0.3}, "bare"),
    "trust_region": ("trust_region", {"kl_radius": 0.01}, "shaped"),
    "natural_gradient": ("natural_gradient", {"eta": 0.3}, "shaped"),
    "trpo": ("trpo", {"kl_radius": 0.01}, "shaped"),
    "ppo, 1 epoch": ("ppo", {"epochs": 1, "learning_rate": 0.05}, "shaped"),
    "ppo, 4 epochs": ("ppo", {"epochs": 4, "learning_rate": 0.05}, "shaped"),
    "grpo": ("grpo", {"learning_rate": 0.05}, "group"),
}


def reference(p):
    """Log-probabilities (..., 16) with mass p on the right answer."""
    wrong = np.log1p(-p)[..., None] + WRONG
    return np.concatenate([np.log(p)[..., None], wrong], axis=-1)


def make(name, log_ref, tau):
    """Algorithm for a batch of cells."""
    entry, options, _ = ENTRIES[name]
    parametric = entry in ("natural_gradient", "trpo", "ppo", "grpo")
    first = (POLICY,) if parametric else (log_ref, tau) if entry == "proximal" else ()
    penalty = {"log_ref": log_ref, "beta": tau} if entry == "grpo" else {}
    return REGISTRY[entry](*first, **options, **penalty)


def make_signal(name, log_ref, tau, rng):
    """Signal as a function of the state; drawn with `rng`, exact without one."""
    kind = ENTRIES[name][2]
    if kind == "group" and rng is not None:
        # Eight groups of eight: as many answers as the others get.
        return group_signal(REWARD, GROUP, N_SAMPLES // GROUP, rng=rng)

    def signal(state):
        if kind == "shaped":
            advantage = soft_advantage(state.log_pi, log_ref, REWARD, tau)
        else:
            advantage = REWARD - expect(state.log_pi, REWARD)[..., None]
        if rng is None:
            return exact(state.log_pi, advantage)
        return sampled(state.log_pi, advantage, N_SAMPLES, rng=rng)

    return signal


def cells(name, n_steps, *, sample):
    """Function for `sweep`, also for several workers."""
    return partial(evaluate, name=name, n_steps=n_steps, sample=sample)


def evaluate(tau, p, seed=None, rng=None, *, name, n_steps, sample):
    """Success and KL to the reference at the end of each run."""
    log_ref = reference(p)
    signal = make_signal(name, log_ref, tau, rng if sample else None)
    algorithm = make(name, log_ref, tau)
    ride = run(algorithm, log_ref, signal, n_steps, path=False, record=lambda *_: ())
    log_pi = ride.state.log_pi
    return {"success": np.exp(log_pi[..., 0]), "kl": kl(log_pi, log_ref)}


def axes(side, n_seeds=None):
    """Axes of a plane of side x side cells, with seeds as a third axis if asked."""
    plane = {"tau": np.geomspace(0.05, 1.0, side), "p": np.geomspace(1e-4, 0.4, side)}
    return plane if n_seeds is None else plane | {"seed": np.arange(n_seeds)}
