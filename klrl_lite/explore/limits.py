"""Explorable of chapter 09: a policy with one knob, the target it cannot reach, what that costs."""

import numpy as np

from .. import gibbs, simplex
from ..plots.limits import knob, valleys
from ..plots.simplex import CORNERS, to_plane
from ..plots.style import COLORS
from .chart import Chart, at, axis, slider, tidy

#: Reference masses of the answers A (right), B (right) and C (wrong); B pays 1 and C nothing.
MASSES = (0.1, 0.1, 0.8)
#: Positions of the sliders of `knob_chart`.
TAUS = tuple(round(0.1 + 0.02 * k, 2) for k in range(51))
PAYS = tuple(round(0.6 + 0.1 * k, 1) for k in range(5))


def knob_values(tau: float, pay: float) -> dict[str, float]:
    """What the readouts of `knob_chart` must say, from the package.

    Parameters
    ----------
    tau : float
    pay : float
        Reward of answer A.

    Returns
    -------
    dict
        `gap`: free energy of the best policy of the knob above the minimum over all policies;
        `step_up`: how much higher the other valley lies, 0 if there is none; `success` of the
        knob and `success_gibbs`.

    Examples
    --------
    >>> values = knob_values(1.0, 1.0)
    >>> values["step_up"], round(values["success"], 12)
    (0.0, 0.2)
    """
    log_ref, reward = np.log(MASSES), [pay, 1.0, 0.0]
    found = valleys(log_ref, reward, tau)
    best = int(np.argmin(found.free_energy))
    star = gibbs.log_gibbs(log_ref, reward, tau)
    log_pi = knob(log_ref).log_prob(found.theta[best, None])
    apart = bool(np.ptp(found.theta) > 1e-6)
    return {
        "gap": float(tau * simplex.kl(log_pi, star)),
        "step_up": float(np.ptp(found.free_energy)) if apart else 0.0,
        "success": float(1.0 - np.exp(log_pi[2])),
        "success_gibbs": float(1.0 - np.exp(star[2])),
    }


def knob_chart() -> Chart:
    """Simplex and landscape of a one-parameter policy: sliders for tau and one of two rewards."""
    a, b, c = MASSES
    both = [valleys(np.log(MASSES), [pay, 1.0, 0.0], TAUS).theta for pay in PAYS]
    left, right = np.stack(both, axis=1)
    z = f"({c} + {a} * exp(-%s) + {b} * exp(%s))"

    def written(text, theta):
        """Fill a formula in theta: its partition function, lean, success and free energy."""
        total = z % (theta, theta)
        lean = f"(({b} * exp({theta}) - {a} * exp(-{theta})) / {total})"
        paid = f"(({b} * exp({theta}) + pay * {a} * exp(-{theta})) / {total})"
        energy = f"(tau * ({theta} * {lean} - log({total})) - {paid} - lowest)"
        return text.format(lean=lean, wrong=f"({c} / {total})", energy=energy)

    star = f"({c} + {a} * exp(pay / tau) + {b} * exp(1 / tau))"
    params = [
        slider("tau", "temperature τ ", TAUS[0], TAUS[-1], 0.02, 0.4),
        slider("pay", "reward of A (B: 1) ", PAYS[0], PAYS[-1], 0.1, 1.0),
        {"name": "i", "expr": "round((tau - 0.1) / 0.02)"},
        {"name": "j", "expr": "round((pay - 0.6) / 0.1)"},
        {"name": "left", "expr": f"{[tidy(row, 6) for row in left]}[j][i]"},
        {"name": "right", "expr": f"{[tidy(row, 6) for row in right]}[j][i]"},
        {"name": "lowest", "expr": f"-tau * log{star}"},
        {"name": "above_left", "expr": written("{energy}", "left")},
        {"name": "above_right", "expr": written("{energy}", "right")},
        {"name": "best", "expr": "above_left < above_right ? left : right"},
        {"name": "gap", "expr": "min(above_left, above_right)"},
        {"name": "apart", "expr": "right - left > 1e-4"},
        {"name": "step_up", "expr": "apart ? abs(above_left - above_right) : 0"},
        {"name": "success", "expr": written("1 - {wrong}", "best")},
        {"name": "success_gibbs", "expr": f"1 - {c} / {star}"},
        {
            "name": "readout",
            "expr": "['right with probability ' + format(success, '.3f') + '; the target: ' +"
            " format(success_gibbs, '.3f'), 'free energy left over: ' + format(gap, '.4f'),"
            " apart ? 'two valleys, ' + (step_up > 1e-4 ? 'one higher by ' +"
            " format(step_up, '.3f') : 'equally deep') : 'one valley']",
        },
    ]
    plane = {
        "x": {"field": "x", "type": "quantitative", "axis": None, "scale": {"domain": [0, 1]}},
        "y": {"field": "y", "type": "quantitative", "axis": None, "scale": {"domain": [0, 0.88]}},
        "order": {"field": "o", "type": "quantitative"},
    }

    def trace(points, **mark):
        rows = [{"x": x, "y": y, "o": o} for o, (x, y) in enumerate(np.round(points, 4).tolist())]
        return {"data": {"values": rows}, "mark": {"type": "line"} | mark, "encoding": plane}

    def place(theta):
        across = written("({lean} + 1) / 2", theta)
        return across, written("0.8660254 * {wrong}", theta)

    dot = {"type": "point", "filled": True, "opacity": 1}
    trained = dot | {"color": COLORS["trpo"], "size": 130, "shape": "diamond"}
    other = trained | {"filled": False, "strokeWidth": 2}
    arch = to_plane(np.exp(knob(np.log(MASSES)).log_prob(np.linspace(-12, 12, 121)[:, None])))
    top = {
        "title": {"text": {"expr": "readout"}},
        "width": 400,
        "height": 340,
        "layer": [
            trace(CORNERS[[0, 1, 2, 0]], color=COLORS["reference"], strokeWidth=1),
            trace(arch, color=COLORS["trpo"], strokeWidth=1.5, strokeDash=[7, 3, 2, 3]),
            *(
                {
                    "data": {"values": [{"x": x, "y": y, "o": 0}]},
                    "mark": {"type": "text", "text": text, "fontSize": 13, "dx": dx, "dy": dy},
                    "encoding": plane,
                }
                for (x, y), text, dx, dy in zip(
                    CORNERS.tolist(), ("A", "B", "wrong"), (-3, 3, 30), (-14, -14, 2), strict=True
                )
            ),
            at(dot | {"color": COLORS["reference"], "shape": "square", "size": 60},
               str(0.5), str(round(0.8660254 * c, 6))),
            at(dot | {"color": COLORS["gibbs"], "size": 160, "shape": "triangle-up"},
               f"({b} * exp(1 / tau) + {c} / 2) / {star}", f"0.8660254 * {c} / {star}"),
            at(other, *place("(best == left ? right : left)")),
            at(trained, *place("best")),
        ],
    }  # fmt: skip
    landscape = {
        "title": "free energy above its minimum, along the knob",
        "width": 400,
        "height": 150,
        "data": {"sequence": {"start": -7, "stop": 7.01, "step": 0.05, "as": "t"}},
        "transform": [
            {"calculate": written("{lean}", "datum.t"), "as": "lean"},
            {"calculate": written("{energy}", "datum.t"), "as": "f"},
        ],
        "layer": [
            {
                "mark": {"type": "line", "color": COLORS["trpo"], "strokeWidth": 2.5},
                "encoding": {
                    "x": axis("lean", "lean: P(B) − P(A)", domain=[-1, 1]),
                    "y": axis("f", "F − F*", zero=True),
                    "order": {"field": "t", "type": "quantitative"},
                },
            },
            at(other, *written("{lean}|{energy}", "(best == left ? right : left)").split("|")),
            at(trained, *written("{lean}|{energy}", "best").split("|")),
        ],
    }
    return Chart(
        {
            "description": "A policy with one parameter on the simplex of two right answers and "
            "a wrong one. Its possible policies form an arch; the target (triangle) lies below "
            "it. When the temperature falls, the best policy of the arch (diamond) leaves the "
            "middle and takes a side; the free energy along the arch then has two valleys, and "
            "an amount of free energy above the target stays.",
            "params": params,
            "vconcat": [top, landscape],
        }
    )
