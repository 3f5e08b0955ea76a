"""Algorithms: each sees a policy and an advantage, never the problem or its solution."""

import numpy as np


def iterate(step, start, n_steps):
    """Apply `step` again and again and keep the whole path.

    Parameters
    ----------
    step : callable
        Maps a state array to the next one of the same shape.
    start : array_like, shape (...)
    n_steps : int

    Returns
    -------
    numpy.ndarray, shape (n_steps + 1, ...)
        The start and every state after it.

    Examples
    --------
    >>> iterate(lambda x: x / 2, np.array([8.0]), 3).ravel().tolist()
    [8.0, 4.0, 2.0, 1.0]
    """
    path = [np.asarray(start, dtype=float)]
    for _ in range(n_steps):
        path.append(step(path[-1]))
    return np.stack(path)
