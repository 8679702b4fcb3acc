"""One verb for an act: what deletes and restores says so in the words of the glossary."""

from typing import Final

from scripts.survey.modules import read_module, read_modules
from scripts.survey.verbs import VERBS, Function, find_functions
from tests.test_conventions import PACKAGE, ROOT

GLOSSARY: Final = (ROOT / "docs" / "concepts.md").read_text()
ALLOWED: Final = {"delete": {"delete", "trash", "evict", "purge", "unlink", "discard", "sweep"}, "restore": {"restore"}}
ROUTES: Final = {Function("media_analysis.api.routes.storage", "clean_up")}
"""Clients are generated from their names."""


def test_functions_that_delete_or_restore_say_so_by_the_verbs_of_the_glossary() -> None:
    functions = set(find_functions(read_modules(PACKAGE))) - ROUTES

    others = {act: verbs - ALLOWED[act] for act, verbs in VERBS.items()}
    assert {function for function in functions for refused in others.values() if function.verb in refused} == set()


def test_the_glossary_says_what_each_verb_means() -> None:
    assert [verb for verbs in ALLOWED.values() for verb in verbs if f"| **{verb}** |" not in GLOSSARY] == []


def test_a_function_is_told_by_the_verb_its_name_begins_with() -> None:
    module = read_module("def _drop_cups(): ...\nclass Sink:\n    async def wash(self): ...\n", "kitchen")

    assert [(function.name, function.verb) for function in find_functions([module])] == [
        ("_drop_cups", "drop"),
        ("wash", "wash"),
    ]
