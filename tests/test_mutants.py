"""The planted bugs still fit the code; `scripts/mutants` proves that the tests find them."""

from pathlib import Path

import pytest

import media_analysis
from tests.mutants import MUTANTS, Mutant

PACKAGE = Path(media_analysis.__file__).parent


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_planted_bug_replaces_text_that_is_there_exactly_once(mutant: Mutant) -> None:
    source = (PACKAGE / mutant.file).read_text()

    assert source.count(mutant.sound) == 1
