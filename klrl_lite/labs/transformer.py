"""Lab of chapter 15: where any of the recorded rules would come to rest, for a task of yours."""

from typing import Any

import numpy as np

from ..diagnostics.transformer import NAMES, RULES
from ..equilibria import k2_fixed_point, rule_equilibria
from ..plots.style import COLORS, figure


def transformer_state(
    rule: str, q_step: float, n_tokens: int, group_size: int = 8, n_beta: int = 40
) -> dict[str, Any]:
    """Compute what the lab of chapter 15 shows: all fixed points of a rule along beta.

    Parameters
    ----------
    rule : str
        Key of `diagnostics.transformer.RULES`.
    q_step : float
        Support of each step.
    n_tokens, group_size, n_beta : int

    Returns
    -------
    dict
        `beta` and `success` of all fixed points, flat arrays, and `stable`; `grid` (n_beta,) and
        `gibbs` there.

    Examples
    --------
    >>> state = transformer_state("grpo_k2", 0.173, 2, 64)
    >>> bool(state["stable"].all()), len(state["beta"]) > 40
    (False, True)
    """
    q, grid = np.full(n_tokens, q_step), np.geomspace(0.05, 3.0, n_beta)
    size = np.inf if RULES[rule]["advantage"] == "loo" else group_size
    beta, success, stable = [], [], []
    for b in grid:
        roots, holds = rule_equilibria(q, b, group_size=size, **RULES[rule])
        beta += [b] * len(roots)
        success += list(roots)
        stable += list(holds)
    return {
        "beta": np.array(beta),
        "success": np.array(success),
        "stable": np.array(stable, dtype=bool),
        "grid": grid,
        "gibbs": k2_fixed_point(float(np.prod(q)), grid),
    }


def transformer_lab() -> Any:
    """Menu for the rule, sliders for the task; needs ipywidgets."""
    import ipywidgets as widgets
    import matplotlib.pyplot as plt

    rule = widgets.Dropdown(options=[(NAMES[n], n) for n in RULES], description="rule")
    support = widgets.FloatLogSlider(0.173, min=-2.5, max=-0.1, step=0.05, description="q")
    tokens = widgets.IntSlider(2, min=1, max=12, description="tokens")
    group = widgets.SelectionSlider(options=[2, 4, 8, 16, 32, 64, 128], value=8, description="G")
    out = widgets.Output()

    def draw(_=None):
        state = transformer_state(rule.value, support.value, tokens.value, group.value)
        with out, figure(size=(7, 3.6)) as ax:
            out.clear_output(wait=True)
            ax.semilogx(state["grid"], state["gibbs"], color=COLORS["gibbs"], ls=":")
            for holds, face in ((True, COLORS["mirror"]), (False, "none")):
                keep = state["stable"] == holds
                ax.semilogx(state["beta"][keep], state["success"][keep], "o", ms=5, mfc=face,
                            mec=COLORS["mirror"])  # fmt: skip
            ax.set(xlabel=r"coefficient $\beta$", ylabel="success at rest", ylim=(-0.02, 1.04))
            plt.show()

    controls = [rule, support, tokens, group]
    for control in controls:
        control.observe(draw, names="value")
    draw()
    return widgets.VBox([*controls, out])
