"""Which names are those of several classes."""

import ast
from collections.abc import Iterable, Iterator, Mapping, Sequence

from scripts.survey.modules import Module


def find_twice(modules: Iterable[Module]) -> Mapping[str, Sequence[str]]:
    """Return the modules of public classes whose name another has too, by that name."""
    found: dict[str, list[str]] = {}
    for module in modules:
        for name in _public(module.tree.body):
            found.setdefault(name, []).append(module.name)
    return {name: places for name, places in sorted(found.items()) if len(places) > 1}


def _public(body: Sequence[ast.stmt]) -> Iterator[str]:
    """Yield public classes; those that a function makes are nobody else's."""
    for statement in body:
        if isinstance(statement, ast.ClassDef) and not statement.name.startswith("_"):
            yield statement.name
            yield from _public(statement.body)
