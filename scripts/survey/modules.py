"""The modules of a package, read, and what they import of each other."""

import ast
import gc
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Module:
    """A module's source, read."""

    name: str
    """Dotted, with the package."""
    source: str
    tree: ast.Module

    @property
    def package(self) -> str:
        """The package in the package that it is of, or itself, where it stands beside these."""
        return self.name.split(".")[1] if "." in self.name else self.name


def read_modules(package: Path) -> Sequence[Module]:
    """Return the modules of a package, given its directory, by their paths."""
    return [read_module(path.read_text(), _name(path, package)) for path in sorted(package.rglob("*.py"))]


def read_module(source: str, name: str) -> Module:
    """Return a module that says this."""
    return Module(name, source, parse(source))


def parse(source: str) -> ast.Module:
    """Return the tree of a source, which takes a third of the time while nobody looks for garbage: it makes none."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        return ast.parse(source)
    finally:
        if was_enabled:
            gc.enable()


def find_imports(modules: Iterable[Module]) -> Mapping[str, set[str]]:
    """Return the names of the other modules of the package that each imports, wherever in its code it does."""
    trees = {module.name: module.tree for module in modules}
    return {name: {found for found in _imported(tree, set(trees)) if found != name} for name, tree in trees.items()}


def _imported(tree: ast.Module, known: set[str]) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names if name.name in known)
        elif isinstance(node, ast.ImportFrom) and node.module:
            inner = {f"{node.module}.{name.name}" for name in node.names} & known
            yield from inner or ({node.module} & known)


def _name(path: Path, package: Path) -> str:
    return ".".join(path.relative_to(package.parent).with_suffix("").parts).removesuffix(".__init__")
