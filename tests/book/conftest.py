"""What the tests of the chapters share."""

import pytest


@pytest.fixture(scope="session")
def notebooks(root):
    """The chapters that are finished: those that exist as notebooks."""
    return sorted((root / "book").glob("[0-9]*.ipynb"))
