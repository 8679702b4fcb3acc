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


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_planted_bug_names_tests_that_are_there(mutant: Mutant) -> None:
    for named in mutant.tests:
        path, *names = named.partition("[")[0].split("::")
        assert not names or f"def {names[-1]}(" in Path(path).read_text(), named
