"""The pages that are made from the code are those of this code."""

import pytest

from scripts.pages import DOCS, PAGES


@pytest.mark.parametrize("name", PAGES)
def test_the_page_is_current(name: str) -> None:
    assert (DOCS / name).read_text() == PAGES[name](), "run scripts/manual"
