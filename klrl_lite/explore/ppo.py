"""Explorable of chapter 04: where the clip acts, and what it does not hold back."""

import numpy as np

from .. import policies, simplex
from .._types import Array
from ..algorithms.ppo import clipped_surrogate_gradient, ppo
from ..plots.style import COLORS
from ..policies import Policy
from ..signals import exact
from ..solvers import adam
from .chart import Chart, axis, slider, tidy

#: Positions of the two sliders of `ppo_chart`; the first row of its tables is "no clip".
CLIPS = tuple(k / 20 for k in range(1, 11))
MOST_EPOCHS = 40


def batch() -> tuple[Policy, Array, Array]:
    """Ten actions, three shared parameters and one exact batch: policy, log pi_old, advantage."""
    rng = np.random.default_rng(8)
    log_old = np.log(rng.dirichlet(np.full(10, 2.0)))
    advantage = rng.normal(size=10)
    advantage -= simplex.expect(log_old, advantage)
    return policies.linear(rng.normal(size=(10, 3)), log_old), log_old, advantage


def inner_loop(clip: float, epochs: int) -> tuple[Array, float]:
    """Log-ratios after so many epochs of Adam on the batch, (10,), and the KL(new || old) spent."""
    policy, log_old, advantage = batch()
    if epochs == 0:
        return np.zeros(10), 0.0
    init, step = ppo(policy, clip=clip, epochs=epochs, learning_rate=0.05)
    state, info = step(init(policy.init()), exact(log_old, advantage))
    return state.log_pi - log_old, float(info.kl)


def ppo_values(clip: float, epochs: int) -> dict[str, float]:
    """Compute what the readouts of `ppo_chart` must say, by running PPO with these settings.

    Returns
    -------
    dict
        `ratio`, the largest one; `kl` = KL(new || old); shares of the samples: `outside` the
        band, and `off`, without a gradient.
    """
    _, log_old, advantage = batch()
    log_ratio, spent = inner_loop(clip, int(epochs))
    outside, off = _fractions(np.exp(log_ratio), advantage, clip)
    weight = np.exp(log_old)
    return {
        "ratio": float(np.exp(log_ratio.max())),
        "kl": spent,
        "outside": float(weight @ outside),
        "off": float(weight @ off),
    }


def _fractions(rho, advantage, clip):
    outside = np.abs(rho - 1.0) > clip
    return outside, outside & (advantage * (rho - 1.0) > 0)


def _tables():
    """Log-ratios (clips + 1, epochs + 1, 10) and KLs (clips + 1, epochs + 1), epoch by epoch.

    `inner_loop` would begin each of them anew; the tests compare the two.
    """
    policy, log_old, advantage = batch()
    signal, ratios = exact(log_old, advantage), []
    for clip in (np.inf, *CLIPS):
        init, update = adam(0.05)
        theta, log_ratio = policy.init(), np.zeros(10)
        moments, path = init(theta), [log_ratio]
        for _ in range(MOST_EPOCHS):
            gradient = policy.vjp(theta, clipped_surrogate_gradient(log_ratio, signal, clip))
            increment, moments = update(gradient, moments)
            theta = theta + increment
            log_ratio = policy.log_prob(theta) - log_old
            path.append(log_ratio)
        ratios.append(path)
    all_ratios = np.array(ratios)
    return all_ratios, simplex.kl(log_old + all_ratios, log_old)


def ppo_chart() -> Chart:
    """Ratios against advantages, and the KL along the epochs: sliders for clip and epochs."""
    _, log_old, advantage = batch()
    ratios, spent = _tables()
    rows = [[tidy(r, 4) for r in run] for run in ratios]
    kls = [tidy(k) for k in spent]
    weight = tidy(np.exp(log_old), 8)
    actions = [
        {"a": a, "A": x, "w": w}
        for a, (x, w) in enumerate(zip(tidy(advantage), weight, strict=True))
    ]
    here = "ratios[i][epochs]"
    out = [f"(abs(exp({here}[{a}]) - 1) > clip ? 1 : 0)" for a in range(10)]
    idle = [
        f"({'' if x > 0 else '-'}(exp({here}[{a}]) - 1) > clip ? 1 : 0)"
        for a, x in enumerate(advantage)
    ]

    def share(parts):
        return " + ".join(f"{w} * {part}" for w, part in zip(weight, parts, strict=True))

    params = [
        slider("clip", "clip ε ", CLIPS[0], CLIPS[-1], 0.05, 0.2),
        slider("epochs", "epochs on the batch ", 0, MOST_EPOCHS, 1, 12),
        {"name": "ratios", "value": rows},
        {"name": "kls", "value": kls},
        {"name": "i", "expr": "round(20 * clip)"},
        {"name": "ratio", "expr": f"exp(max({_all(here)}))"},
        {"name": "kl", "expr": "kls[i][epochs]"},
        {"name": "bound", "expr": "((1 + clip) * log(1 + clip) + (1 - clip) * log(1 - clip)) / 2"},
        {"name": "outside", "expr": share(out)},
        {"name": "off", "expr": share(idle)},
        {
            "name": "readout",
            # Three lines: a phone is narrow.
            "expr": "['largest ratio ' + format(ratio, '.2f') + ', KL spent ' + format(kl, '.3f'),"
            " 'most KL with all ratios in the band ' + format(bound, '.3f'),"
            " 'samples outside ' + format(outside, '.0%')"
            " + ', with their gradient off ' + format(off, '.0%')]",
        },
    ]
    return Chart(
        {
            "description": "One batch, ten actions, three shared parameters. Above, the ratio of "
            "each action against its advantage, with the band; below, the KL from the old policy "
            "along the epochs, with and without the clip. Ratios leave the band within a few "
            "epochs whatever its width, the KL passes the most that a policy inside the band "
            "could spend, and some actions outside the band are not clipped.",
            "title": {"text": {"expr": "readout"}},
            "params": params,
            "vconcat": [_ratio_view(actions), _kl_view()],
        }
    )


def _all(array):
    return ", ".join(f"{array}[{a}]" for a in range(10))


def _ratio_view(actions):
    x = axis("A", "advantage", nice=False, domain=[-3, 3])
    kinds = {
        "domain": ["inside", "outside, gradient off", "outside, still pushed"],
        "range": [COLORS["reference"], COLORS["ppo"], COLORS["euclid"]],
    }
    legend = {"title": None, "orient": "top-left", "labelFontSize": 12}
    edges = [
        {
            "data": {"values": [{}]},
            "transform": [{"calculate": f"log(1 {sign} clip)", "as": "edge"}],
            "mark": {"type": "rule", "color": COLORS["reference"], "strokeDash": [4, 3]},
            "encoding": {"y": {"field": "edge", "type": "quantitative"}},
        }
        for sign in "+-"
    ]
    points = {
        "data": {"values": actions},
        "transform": [
            {"calculate": "ratios[i][epochs][datum.a]", "as": "log_ratio"},
            {"calculate": "exp(datum.log_ratio) - 1", "as": "moved"},
            {
                "calculate": "abs(datum.moved) <= clip ? 'inside' : datum.A * datum.moved > 0 ? "
                "'outside, gradient off' : 'outside, still pushed'",
                "as": "kind",
            },
        ],
        "mark": {"type": "point", "filled": True, "opacity": 0.95},
        "encoding": {
            "x": x,
            "y": axis("log_ratio", "log ratio", domain=[-2, 2.4]),
            "size": {"field": "w", "type": "quantitative", "legend": None,
                     "scale": {"range": [60, 420]}},
            "color": {"field": "kind", "type": "nominal", "scale": kinds, "legend": legend},
            "shape": {
                "field": "kind",
                "type": "nominal",
                "scale": {"domain": kinds["domain"], "range": ["circle", "square", "triangle-up"]},
                "legend": legend,
            },
        },
    }  # fmt: skip
    return {"width": 420, "height": 230, "layer": [*edges, points]}


def _kl_view():
    steps = {"sequence": {"start": 0, "stop": MOST_EPOCHS + 1, "as": "n"}}
    x = axis("n", "epochs", domain=[0, MOST_EPOCHS])
    y = axis("spent", "KL(new||old)", domain=[0, 0.6])
    lines = [
        {
            "data": steps,
            "transform": [{"calculate": f"kls[{row}][datum.n]", "as": "spent"}],
            "mark": {"type": "line", "clip": True, "color": color, "strokeDash": dash},
            "encoding": {"x": x, "y": y},
        }
        for row, color, dash in (
            ("0", COLORS["quiet"], [5, 3]),
            ("i", COLORS["ppo"], [1, 0]),
        )
    ]
    bound = {
        "data": {"values": [{}]},
        "transform": [{"calculate": "bound", "as": "spent"}],
        "mark": {"type": "rule", "color": COLORS["trpo"], "strokeDash": [6, 2, 1, 2]},
        "encoding": {"y": y},
    }
    now = {
        "data": {"values": [{}]},
        "transform": [
            {"calculate": "epochs", "as": "n"},
            {"calculate": "kl", "as": "spent"},
        ],
        "mark": {"type": "point", "filled": True, "size": 90, "color": COLORS["gibbs"]},
        "encoding": {"x": x, "y": y},
    }
    names = {
        "data": {"values": [{"n": 13, "spent": 0.54, "t": "no clip"}]},
        "mark": {"type": "text", "align": "left", "fontSize": 12, "color": COLORS["reference"]},
        "encoding": {"x": x, "y": y, "text": {"field": "t"}},
    }
    return {"width": 420, "height": 170, "layer": [*lines, bound, now, names]}
