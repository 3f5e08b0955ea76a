"""The paper estimate of a sweep with a large model: its arithmetic, and what is quoted of it."""

import importlib.util
import subprocess
import sys

import numpy as np
import pytest


@pytest.fixture(scope="module")
def estimate(root):
    spec = importlib.util.spec_from_file_location(
        "experiments_estimate", root / "experiments" / "estimate.py"
    )
    module = importlib.util.module_from_spec(spec)
    sys.modules["experiments_estimate"] = module
    spec.loader.exec_module(module)
    return module


def test_parameters_and_operations_are_those_of_the_matrices(estimate):
    # Every matrix of a layer by its shape; a token costs two operations for each entry.
    width, inner, keys, vocabulary = 4096, 14336, 8 * 128, 128256
    shapes = [(width, width), (width, keys), (width, keys), (width, width)]
    shapes += [(width, inner), (width, inner), (inner, width)]
    layers = 32 * sum(np.prod(shape) for shape in shapes)
    model = estimate.Model()
    assert model.parameters == layers + 2 * vocabulary * width
    # 2 N counts the embedding, which is looked up and not multiplied; it leaves attention out.
    middle = 256 + 512 / 2
    forward = 2 * (layers + vocabulary * width) + 32 * 4 * width * middle
    assert 2 * model.parameters == pytest.approx(forward, rel=0.06)


def test_a_step_counted_token_by_token(estimate):
    n, todo = estimate.Model().parameters, estimate.work(estimate.Model(), estimate.Sweep())
    forward = {"generate": 0, "score": 0, "train": 0}
    for _ in range(64 * 16):
        forward["generate"] += 512
        forward["score"] += 2 * (256 + 512)
        forward["train"] += 3 * (256 + 512)  # backward is twice as much as forward
    for name, tokens in forward.items():
        assert todo[name] == pytest.approx(2 * n * tokens)


def test_what_grows_with_what(estimate):
    model, sweep, gpu = estimate.Model(), estimate.Sweep(), estimate.Machine()
    step = estimate.gpu_seconds(model, sweep, gpu)
    assert estimate.gpu_seconds(model, estimate.Sweep(samples=32), gpu) == pytest.approx(2 * step)
    half = estimate.Machine(train_share=0.2, generate_share=0.05)
    assert estimate.gpu_seconds(model, sweep, half) == pytest.approx(2 * step)
    # The assumed share of generation is one that reading the weights allows.
    generating = estimate.work(model, sweep)["generate"] / (gpu.peak * gpu.generate_share)
    assert estimate.least_generating(model, sweep, gpu) < generating
    too_good = estimate.Machine(generate_share=0.5)
    least = estimate.least_generating(model, sweep, too_good)
    assert least > estimate.work(model, sweep)["generate"] / (gpu.peak * 0.5)


def test_what_the_page_quotes_is_what_the_command_prints(estimate, root):
    said = subprocess.run(
        [sys.executable, root / "experiments" / "estimate.py"],
        capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    page = (root / "experiments" / "README.md").read_text(encoding="utf-8")
    assert said.strip() in page
    rows = dict(estimate.table())
    for name in ("GPU-hours of a point", "GPU-hours of the sweep", "points"):
        assert f"{rows[name]} {name.split(' of')[0]}" in " ".join(page.split()), name
