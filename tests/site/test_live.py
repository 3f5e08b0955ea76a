"""The labs in JupyterLab itself: the cell runs, a slider moves, the picture follows, stop stops."""

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request

import pytest
from built_site import ROOT, find_chromium

# Half a minute of somebody else's program, which `.ci/run` takes:
# `KLRL_LIVE=1 python run.py test tests/site/test_live.py`
WANTED = "set KLRL_LIVE=1 to open the labs in a real JupyterLab"
pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.skipif(not os.environ.get("KLRL_LIVE"), reason=WANTED),
]

PATIENCE = 90  # seconds, for a machine that is busy; nothing here is measured
TOKEN = "a-test"
# JupyterLab says how far it is by its own means: the notebook is there, the kernel idles.
RUN_LAB = """async name => {
  const app = window.jupyterapp;
  await app.restored;
  const panel = await app.commands.execute('docmanager:open', {path: name});
  await panel.context.ready;
  await panel.sessionContext.ready;
  const cells = panel.content.model.cells;
  const index = [...Array(cells.length).keys()]
    .find(i => /^labs\\.\\w+_lab\\(\\)/m.test(cells.get(i).sharedModel.source));
  panel.content.activeCellIndex = index;
  await panel.content.scrollToItem(index);
  await app.commands.execute('notebook:run-cell');
}"""
SHUT = "async () => { await window.jupyterapp.serviceManager.sessions.shutdownAll(); }"
SHOWN = """() => [...document.querySelectorAll('.jp-Notebook .widget-image, .widget-output img')]
  .filter(i => i.naturalWidth > 100).map(i => i.src).join()"""


@pytest.fixture(scope="module")
def jupyter(tmp_path_factory):
    """JupyterLab on two chapters, in folders of its own; stopped at the end."""
    pytest.importorskip("jupyterlab")
    folder = tmp_path_factory.mktemp("live")
    for name in ("07_gibbs_thresholds.ipynb", "10_grpo_transition.ipynb"):
        shutil.copy(ROOT / "book" / name, folder / name)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    places = ("CONFIG_DIR", "DATA_DIR", "RUNTIME_DIR")
    own = {f"JUPYTER_{place}": str(folder / "own" / place) for place in places}
    own |= {f"JUPYTERLAB_{n}_DIR": str(folder / "own" / n) for n in ("SETTINGS", "WORKSPACES")}
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root"]
    command += [
        f"--ServerApp.port={port}",
        "--ServerApp.port_retries=0",
        "--ServerApp.ip=127.0.0.1",
    ]
    command += [f"--IdentityProvider.token={TOKEN}", f"--notebook-dir={folder}"]
    command += ["--expose-app-in-browser", "--LabApp.news_url=None"]
    command += ["--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate"]
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen(command, cwd=folder, env=os.environ | own, stdout=log, stderr=log)
        try:
            wait_for(f"http://127.0.0.1:{port}/api/status?token={TOKEN}", server, folder / "log")
            yield f"http://127.0.0.1:{port}"
        finally:
            server.terminate()
            server.wait(PATIENCE)


def wait_for(address, server, log):
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        assert server.poll() is None, log.read_text(errors="replace")[-2000:]
        try:
            urllib.request.urlopen(address, timeout=5).close()
            return
        except (urllib.error.URLError, OSError):
            time.sleep(0.2)
    pytest.fail("JupyterLab does not answer:\n" + log.read_text(errors="replace")[-2000:])


@pytest.fixture(scope="module")
def lab(jupyter, browser):
    """The browser window, which may ask nobody but JupyterLab."""
    if find_chromium() is None:
        pytest.skip("no Chromium")
    context = browser.new_context(viewport={"width": 1280, "height": 1000})
    context.set_default_timeout(PATIENCE * 1000)
    elsewhere = []

    def gate(route):
        if route.request.url.startswith((jupyter, "data:", "blob:")):
            route.continue_()
        else:
            elsewhere.append(route.request.url)
            route.abort()

    context.route("**/*", gate)
    page = context.new_page()
    page.goto(f"{jupyter}/lab?token={TOKEN}&reset")
    page.wait_for_function("window.jupyterapp !== undefined")
    yield page
    page.evaluate(SHUT)
    context.close()
    assert elsewhere == []


@pytest.mark.parametrize("name", ["07_gibbs_thresholds.ipynb", "10_grpo_transition.ipynb"])
def test_a_slider_of_the_lab_changes_its_picture(lab, name):
    lab.evaluate(RUN_LAB, name)
    lab.wait_for_function(f"({SHOWN})() !== ''")
    before = lab.evaluate(SHOWN)
    lab.locator(".jp-Notebook .noUi-handle:visible").first.focus()
    lab.keyboard.press("ArrowLeft")
    lab.wait_for_function(f"before => !['', before].includes(({SHOWN})())", arg=before)


def test_the_stop_button_stops_a_long_run(lab):
    """After the test above: the lab of chapter 10 is there, and has finished a run."""
    bars = "[...document.querySelectorAll('.widget-hprogress')]"
    lab.wait_for_function(f"{bars}.some(e => /done/.test(e.innerText))")
    handles = lab.locator(".jp-Notebook .noUi-handle:visible")
    handles.nth(3).focus()  # the number of steps; the range before it has two handles
    for _ in range(6):
        lab.keyboard.press("PageUp")
    lab.locator(".jp-Notebook button:visible", has_text="Stop").click()
    lab.wait_for_function(f"{bars}.some(e => /stopped/.test(e.innerText))")
    lab.wait_for_selector(".jp-Notebook button[disabled]:has-text('Stop')")
