"""What functions say they do."""

import ast
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from scripts.survey.modules import Module

VERBS: Final[Mapping[str, frozenset[str]]] = {
    "delete": frozenset(
        [
            "abandon",
            "bury",
            "clean",
            "delete",
            "destroy",
            "discard",
            "drop",
            "erase",
            "evict",
            "expire",
            "forget",
            "prune",
            "purge",
            "reap",
            "reclaim",
            "remove",
            "sweep",
            "trash",
            "unlink",
            "wipe",
        ]
    ),
    "restore": frozenset(["recover", "reinstate", "restore", "revive", "unarchive", "undelete", "untrash"]),
}
"""The verbs that people have for an act."""


class Function(NamedTuple):
    """A function of the package, and the verb that its name begins with."""

    module: str
    name: str

    @property
    def verb(self) -> str:
        return self.name.lstrip("_").partition("_")[0]


def find_functions(modules: Sequence[Module]) -> Iterator[Function]:
    """Yield all functions and methods."""
    for module in modules:
        for node in ast.walk(module.tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                yield Function(module.name, node.name)
