"""The long labs: progress, the stop button, and a slider that asks for another run."""

import asyncio
import threading
import time

import pytest

from klrl_lite.labs.running import Running, Stopped, counted, png

pytest.importorskip("ipywidgets")
pytest.importorskip("matplotlib").use("agg")


@pytest.fixture(autouse=True)
def no_loop_around():
    """Hide the loop that playwright leaves running in a process that has shown pages before."""
    around = asyncio._get_running_loop()
    asyncio._set_running_loop(None)
    yield
    asyncio._set_running_loop(around)


def draw(state):
    import matplotlib.pyplot as plt

    plt.figure(figsize=(1, 1)).text(0, 0, str(state))


async def until(true, limit=20.0):
    """Let the loop go on until something is so; the limit is for a test that fails."""
    end = time.monotonic() + limit
    while not true():
        assert time.monotonic() < end, "it never came"
        await asyncio.sleep(0.001)


def test_without_a_kernel_everything_happens_at_once():
    running = Running(lambda tick: [tick() for _ in range(4)], draw, lambda: 4)
    running.start()
    assert running.bar.value == 1.0
    assert running.bar.description == "done"
    assert running.picture.value == png(draw, [None] * 4)
    assert running.stop.disabled


def test_the_bar_follows_the_work():
    step = threading.Semaphore(0)

    def compute(tick):
        for _ in range(10):
            step.acquire()
            tick()

    async def watch():
        running = Running(compute, draw, lambda: 10)
        running.start()
        assert not running.stop.disabled
        seen = []
        for _ in range(10):
            step.release()
            await until(lambda: running.bar.value > (seen[-1] if seen else 0.0))
            seen.append(running.bar.value)
        await until(lambda: running.bar.description == "done")
        return seen

    assert asyncio.run(watch()) == pytest.approx([(k + 1) / 10 for k in range(10)])


def test_the_button_stops_the_work_and_keeps_the_last_picture():
    left = threading.Event()

    def compute(tick):
        try:
            while True:
                tick()
                time.sleep(0.001)
        except Stopped:
            left.set()
            raise

    async def press():
        running = Running(compute, draw, lambda: 10)
        running.picture.value = b"before"
        running.start()
        await until(lambda: running.bar.value > 0.5)
        running.stop.click()
        await until(left.is_set)
        await asyncio.sleep(0.01)  # what the thread had handed over by then
        return running

    running = asyncio.run(press())
    assert running.bar.description == "stopped"
    assert running.stop.disabled
    assert running.picture.value == b"before"


def test_a_new_start_takes_the_place_of_the_old_one():
    settings, waiting = ["old"], threading.Event()

    def compute(tick):
        mine = settings[0]
        if mine == "old":
            waiting.wait(20)
        tick()
        return mine

    async def twice():
        running = Running(compute, draw, lambda: 1)
        running.start()
        settings[0] = "new"
        running.start()
        await until(lambda: running.bar.description == "done")
        shown = running.picture.value
        waiting.set()
        await asyncio.sleep(0.05)
        return shown, running.picture.value

    first, last = asyncio.run(twice())
    assert first == last == png(draw, "new")


def test_a_failure_is_said_in_the_lab():
    def compute(tick):
        raise ValueError("tau must be positive; got -1")

    running = Running(compute, draw, lambda: 1)
    running.start()
    assert running.said.value == "ValueError: tau must be positive; got -1"
    assert running.bar.description == "failed"


@pytest.mark.parametrize("name", ["transition_lab", "support_lab", "diagnostics_lab"])
def test_the_long_labs_end_with_a_full_bar(name):
    from klrl_lite import labs

    lab = getattr(labs, name)()
    bar = lab.children[-1].children[0].children[0]
    assert (bar.description, bar.value) == ("done", 1.0)
    assert bytes(lab.children[-1].children[1].value).startswith(b"\x89PNG")


@pytest.mark.parametrize("name", ["grpo_transition", "support", "diagnostics"])
def test_the_bar_counts_what_the_state_ticks(name):
    """The number of ticks that each lab announces is the number that its computation makes."""
    from klrl_lite.labs import diagnostics, grpo_transition, support

    seen = []

    def tick():
        seen.append(1)

    if name == "grpo_transition":
        grpo_transition.transition_state(1e-2, 8, n_rungs=3, n_steps=2, tick=tick)
        expected = 2 * 3 * 2
    elif name == "support":
        support.support_state("partial credit", n_steps=5, n_prompts=4, tick=tick)
        expected = 5
    else:
        diagnostics.diagnostics_state("mirror", n_steps=5, n_seeds=1, tick=tick)
        expected = 5
    assert len(seen) == expected


def test_counting_changes_nothing():
    assert counted(str, lambda: None)(3) == "3"
