"""The scoreboard: numbers, with intervals over seeds, from the recorded runs."""

from collections.abc import Mapping

import numpy as np

from .. import equilibria
from .._types import Array
from .lineup import GROUP
from .observed import Interval, bootstrap, crossing_at

#: What `score` knows, in the order of the tables.
QUESTIONS = (
    "above", "above_exact", "crossing", "crossing_exact", "length", "spent", "off", "first",
    "cosine", "cosine_exact", "geometric", "bias", "noise", "end_geometric", "end_bias",
    "end_noise",
)  # fmt: skip


def score(
    board: Mapping[str, Array], kind: str, name: str, *, rng: np.random.Generator
) -> dict[str, Interval]:
    """Numbers of one contestant in one arena, means over seeds with 95 % intervals.

    Parameters
    ----------
    board : dict
        Of `recorded("board")`.
    kind : str
        Of `cells.arena`.
    name : str
        Key of `lineup.LINEUP`.
    rng : numpy.random.Generator
        For the bootstrap.

    Returns
    -------
    dict
        Question -> Interval. At the temperature tau_c: `above`, KL to the Gibbs policy (sampled,
        and `above_exact`); `length`, Fisher length over the distance to the target; `spent`,
        proximal KL; `off`, largest distance from the Gibbs curve; `first` and `cosine`, alignment
        of the first update and on average over the first 50 (sampled, and `cosine_exact`);
        `geometric`, `bias`, `noise`, gaps over the mirror step in the first quarter of the run;
        `end_geometric`, `end_bias`, `end_noise`, gaps of whole runs over the way. Over the sweep:
        `crossing`, in units of tau_c (sampled, and `crossing_exact`).

    Examples
    --------
    >>> from klrl_lite.diagnostics.recorded import recorded
    >>> found = score(recorded("board"), "tabular", "mirror", rng=np.random.default_rng(0))
    >>> float(found["cosine_exact"].estimate)
    1.0
    """
    x = board["x"]
    middle = len(x) // 2

    def at_tau_c(key: str) -> Array:
        return board[f"{kind}.{name}.{key}"][middle]

    def crossing(key: str) -> Interval:
        seeds = board[f"{kind}.{name}.{key}"].T
        return bootstrap(seeds, lambda mean: crossing_at(x, mean), rng=rng)

    way, ideal = at_tau_c("way"), at_tau_c("gap_ideal")[..., 0]
    values = {
        "above": at_tau_c("above_drawn"),
        "above_exact": at_tau_c("above_expected"),
        "length": at_tau_c("length_drawn") / way,
        "spent": at_tau_c("spent_drawn"),
        "off": at_tau_c("off_drawn"),
        "first": at_tau_c("first_drawn"),
        "cosine": at_tau_c("align_drawn"),
        "cosine_exact": at_tau_c("align_exact"),
        "geometric": at_tau_c("gap_geometric")[..., 0] / ideal,
        "bias": at_tau_c("gap_bias")[..., 0] / ideal,
        "noise": at_tau_c("gap_noise")[..., 0] / ideal,
        **{f"end_{gap}": at_tau_c(f"end_{gap}") / way for gap in ("geometric", "bias", "noise")},
    }
    # A first update of tied groups moves nothing and has no angle.
    found = {key: bootstrap(v[np.isfinite(v)], rng=rng) for key, v in values.items()}
    found |= {"crossing": crossing("success_drawn"), "crossing_exact": crossing("success_expected")}
    return {key: found[key] for key in QUESTIONS}


def own_crossing(name: str, p_ref: float) -> float:
    """Crossing of a contestant's own fixed point in units of tau_c, for one logit per answer.

    Parameters
    ----------
    name : str
        Key of `lineup.LINEUP`.
    p_ref : float
        Support.

    Examples
    --------
    >>> own_crossing("mean", 0.02)
    0.9375
    """
    log_odds = float(np.log((1.0 - p_ref) / p_ref))
    shrink, half = 1.0 - 1.0 / GROUP, float(equilibria.std_advantage_force(0.5, GROUP))
    rational = log_odds / (4.0 * (0.5 - p_ref))
    laws = {"mean": shrink, "grpo": half, "mean_k3": shrink * rational, "grpo_k3": half * rational}
    return laws.get(name, 1.0)
