"""Lab of chapter 14: pass@k of a base model, of exact tilting, and of a run that lost something."""

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.special import betaincinv

from .. import gibbs, policies
from .._types import Array, ArrayLike
from ..algorithms import run
from ..algorithms.grpo import group_signal, grpo
from ..plots.style import COLORS, LINES, figure
from ..solvers import bisect
from .running import Running, Tick, counted, no_tick

#: Samples per prompt at which pass@k is shown.
KS = 2.0 ** np.arange(15)


def pass_at(success: ArrayLike, k: ArrayLike = KS) -> Array:
    """Share of problems solved by at least one of k independent samples. Book: eq-support-pass.

    Parameters
    ----------
    success : array_like, shape (..., problems)
        Probability that one sample solves the problem.
    k : array_like, shape (K,)

    Returns
    -------
    numpy.ndarray, shape (..., K)

    Examples
    --------
    >>> pass_at([0.5, 0.0], [1, 2]).tolist()
    [0.25, 0.375]
    """
    success, k = np.asarray(success, float)[..., None, :], np.asarray(k, float)[:, None]
    return np.mean(1.0 - (1.0 - success) ** k, axis=-1)


def _difficulties(tail, n_prompts):
    """Quantiles of a Beta(tail, 1.2) law: the smaller `tail`, the more very hard prompts."""
    return betaincinv(tail, 1.2, (np.arange(n_prompts) + 0.5) / n_prompts)


def _partial_credit(n_prompts):
    """Answers: malformed (0), well-formed and wrong (0.1), right (1). Solved by the right one."""
    p = _difficulties(0.35, n_prompts)
    ref = np.stack([0.4 * (1 - p), 0.6 * (1 - p), p], axis=-1)
    return np.log(ref), np.array([0.0, 0.1, 1.0]), lambda pi: pi[..., 2]


def _one_method(n_prompts, n_methods=8):
    """One wrong answer, eight right ones; each test problem accepts one of the eight."""
    p = _difficulties(0.6, n_prompts)
    shares = np.random.default_rng(5).dirichlet(np.ones(n_methods), n_prompts)
    ref = np.concatenate([(1 - p)[:, None], p[:, None] * shares], axis=-1)
    reward = np.ones(n_methods + 1)
    reward[0] = 0.0
    return np.log(ref), reward, lambda pi: pi[..., 1:].reshape(*pi.shape[:-2], -1)


#: Sets of prompts by name: n_prompts -> (log_ref, reward, policy -> success on each test problem).
TASKS: dict[str, Callable[[int], Any]] = {
    "partial credit": _partial_credit,
    "one method counts": _one_method,
}


def support_state(
    task: str,
    *,
    beta: float = 0.0,
    group_size: int = 8,
    learning_rate: float = 1.0,
    n_steps: int = 300,
    normalize: bool = True,
    expected: bool = False,
    n_prompts: int = 100,
    seed: int = 0,
    tick: Tick = no_tick,
) -> dict[str, Any]:
    """Train GRPO on many prompts at once and compare pass@k with base and exact tilting.

    Parameters
    ----------
    task : str
        A key of `TASKS`.
    beta, group_size, learning_rate, n_steps, normalize
        Of GRPO with plain gradient steps; one group for each prompt and update.
    expected : bool
        Exact expectations in place of samples.
    n_prompts, seed
    tick : callable
        Called at each update.

    Returns
    -------
    dict
        `base`, `run`, `gibbs`: success on each test problem; `log_ref`, `log_pi`: policies at the
        start and at the end, (prompts, answers); `tau`: temperature at which exact tilting has
        the pass@1 of the run.

    Examples
    --------
    >>> state = support_state("partial credit", n_steps=20, n_prompts=10)
    >>> bool(state["run"].mean() > state["base"].mean())
    True
    """
    log_ref, reward, solved = TASKS[task](n_prompts)
    learner = grpo(
        policies.tabular(log_ref.shape[-1]), log_ref=log_ref, beta=beta,
        learning_rate=learning_rate, optimizer="sgd",
    )  # fmt: skip
    rng = None if expected else np.random.default_rng(seed)
    signal = group_signal(reward, group_size, None if expected else 1, rng=rng, normalize=normalize)
    log_pi = run(learner, log_ref, counted(signal, tick), n_steps).log_pi[-1]
    end = solved(np.exp(log_pi))

    def tilted(tau):
        return solved(np.exp(gibbs.log_gibbs(log_ref, reward, tau)))

    log_tau, _ = bisect(lambda x: tilted(np.exp(x)).mean() - end.mean(), np.log(0.01), np.log(100))
    tau = float(np.exp(log_tau))
    return {"base": solved(np.exp(log_ref)), "run": end, "gibbs": tilted(tau), "tau": tau,
            "log_ref": log_ref, "log_pi": log_pi}  # fmt: skip


def support_lab() -> Any:
    """Menus for the task and the signal, sliders for the run; needs ipywidgets."""
    import ipywidgets as widgets

    task = widgets.Dropdown(options=list(TASKS), description="task")
    beta = widgets.FloatSlider(0.0, min=0.0, max=0.2, step=0.01, description="β")
    group = widgets.SelectionSlider(options=[2, 4, 8, 16, 32], value=8, description="G")
    rate = widgets.FloatLogSlider(1.0, min=-1, max=1, step=0.1, description="rate")
    steps = widgets.IntSlider(300, min=20, max=1000, step=20, description="updates")
    divide = widgets.Checkbox(True, description="divide by std")
    seed = widgets.IntSlider(0, 0, 20, description="seed")

    def compute(tick):
        return support_state(
            task.value, beta=beta.value, group_size=group.value, learning_rate=rate.value,
            n_steps=steps.value, normalize=divide.value, seed=seed.value, tick=tick,
        )  # fmt: skip

    def draw(state):
        with figure(size=(7, 3.6)) as ax:
            for name, role in (("base", "reference"), ("gibbs", "gibbs"), ("run", "grpo")):
                ax.semilogx(KS, pass_at(state[name]), color=COLORS[role], ls=LINES[role],
                            label=name, base=2)  # fmt: skip
            ax.set(xlabel="samples $k$", ylabel="pass@$k$", ylim=(0, 1.02))
            ax.legend(loc="lower right")

    running = Running(compute, draw, lambda: steps.value)
    boxes = [widgets.VBox(c) for c in ([task, beta, group, seed], [rate, steps, divide])]
    for box in boxes:
        for control in box.children:
            control.observe(running.start, names="value")
    running.start()
    return widgets.VBox([widgets.HBox(boxes), running.box])
