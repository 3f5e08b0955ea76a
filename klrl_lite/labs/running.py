"""What takes a while in a lab: it runs beside the kernel, with a progress bar and a stop button.

A lab hands over two functions. `compute(tick)` does the work and calls `tick` after each piece of
it; `draw(state)` makes a figure of what came out. The work runs in a thread, so that the kernel
goes on listening: the button stops it at the next tick, and so does a slider that asks for another.
Drawing is done by the kernel itself. Where there is no kernel everything happens at once.
"""

import asyncio
import io
import threading
from collections.abc import Callable
from typing import Any

Tick = Callable[[], None]


class Stopped(Exception):
    """Raised inside a computation that is no longer wanted."""


def no_tick() -> None:
    """Count nothing: for a computation that nobody watches."""


def counted(function: Callable[[Any], Any], tick: Tick) -> Callable[[Any], Any]:
    """Call `tick` whenever the function is called; made for the signals of a run.

    Examples
    --------
    >>> seen = []
    >>> counted(lambda x: 2 * x, lambda: seen.append("tick"))(3), seen
    (6, ['tick'])
    """

    def watched(argument: Any) -> Any:
        tick()
        return function(argument)

    return watched


class Running:
    """Bar, button and picture of one computation that can be started over and over.

    Parameters
    ----------
    compute : callable
        tick -> state.
    draw : callable
        state -> None, on the current figure of matplotlib.
    n_ticks : callable
        () -> how many ticks to expect, asked at each start.
    """

    def __init__(
        self,
        compute: Callable[[Tick], Any],
        draw: Callable[[Any], None],
        n_ticks: Callable[[], int],
    ) -> None:
        import ipywidgets as widgets

        self.compute, self.draw, self.n_ticks = compute, draw, n_ticks
        self.bar = widgets.FloatProgress(0.0, min=0.0, max=1.0, description="running")
        self.stop = widgets.Button(description="Stop", icon="stop", disabled=True)
        self.stop.on_click(lambda _: self.halt())
        self.said = widgets.Label("")
        self.picture = widgets.Image(format="png", width=760)
        top = widgets.HBox([self.bar, self.stop, self.said])
        self.box = widgets.VBox([top, self.picture])
        self._wanted = threading.Event()  # of the latest start; set once it is not wanted any more

    def halt(self) -> None:
        """Stop what runs; the picture of the last run that was finished stays."""
        self._wanted.set()
        self.stop.disabled = True
        self.bar.description = "stopped"

    def start(self, _: Any = None) -> None:
        """Stop what runs, and run with the present settings."""
        self._wanted.set()
        over = self._wanted = threading.Event()
        self.bar.value, self.bar.description, self.said.value = 0.0, "running", ""
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:  # no kernel
            self._work(over, lambda finish, *given: finish(*given))
            return
        self.stop.disabled = False
        work = threading.Thread(target=self._work, args=(over, loop.call_soon_threadsafe))
        work.daemon = True
        work.start()

    def _work(self, over: threading.Event, hand: Callable[..., Any]) -> None:
        """Compute; what follows is handed to the kernel."""
        total, done, shown = max(1, self.n_ticks()), 0, 0

        def tick() -> None:
            nonlocal done, shown
            if over.is_set():
                raise Stopped
            done += 1
            if 50 * done // total > shown:  # the bar has fifty places, whatever the work has
                shown = 50 * done // total
                hand(self._progress, over, min(1.0, done / total))

        try:
            state = self.compute(tick)
        except Stopped:
            return
        except Exception as error:
            hand(self._finish, over, None, f"{type(error).__name__}: {error}")
        else:
            hand(self._finish, over, state, "")

    def _progress(self, over: threading.Event, share: float) -> None:
        if not over.is_set():
            self.bar.value = share

    def _finish(self, over: threading.Event, state: Any, problem: str) -> None:
        """Show what came out, unless something else is wanted by now."""
        if over.is_set():
            return
        self.stop.disabled, self.said.value = True, problem
        self.bar.description = "failed" if problem else "done"
        if not problem:
            self.bar.value = 1.0
            self.picture.value = png(self.draw, state)


def png(draw: Callable[[Any], None], state: Any) -> bytes:
    """Draw, and return the picture as the bytes of a PNG file, on white."""
    import matplotlib.pyplot as plt

    draw(state)
    drawn, out = plt.gcf(), io.BytesIO()
    drawn.savefig(out, format="png", facecolor="white", dpi=110)
    plt.close(drawn)
    return out.getvalue()
