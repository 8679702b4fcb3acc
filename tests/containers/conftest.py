"""A container engine to test with; where there is none, every test of this folder says so."""

from collections.abc import Iterator

import pytest

from tests.containers import engine
from tests.processes import ROOT


@pytest.fixture(scope="session")
def an_engine() -> Iterator[None]:
    """An engine that answers; what killed runs left there is removed."""
    if reason := engine.missing():
        pytest.skip(reason)
    engine.remove_leftovers()
    yield
    engine.remove_leftovers()


@pytest.fixture(scope="session")
def image(an_engine: None) -> str:
    """The image of this checkout."""
    engine.build(ROOT, engine.IMAGE)
    return engine.IMAGE
