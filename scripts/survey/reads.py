"""Which SQL reads a table whose home is a layer above; Core would have to import its model."""

import re
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from scripts.survey.modules import Module
from scripts.survey.writes import find_models, strings_of

_READ: Final = re.compile(r'(?:\b(?:FROM|JOIN|USING)|,)\s+(?:ONLY\s+)?(?:public\.)?"?([a-z_][a-z0-9_]*)')


class Read(NamedTuple):
    """A statement that reads a table of a layer above."""

    table: str
    home: str
    module: Module
    line: int


def read_layers(project: Path) -> Sequence[str]:
    """Return the layers that a project's `pyproject.toml` tells the import contract, the highest first."""
    contracts = tomllib.loads(project.read_text())["tool"]["importlinter"]["contracts"]
    layers: Sequence[str] = next(contract["layers"] for contract in contracts if contract["type"] == "layers")
    return layers


def find_upward_reads(modules: Sequence[Module], layers: Sequence[str]) -> Sequence[Read]:
    """Return what reads a table whose model stands above, or beside, it."""
    depths = {package.strip(" ()"): depth for depth, layer in enumerate(layers) for package in layer.split("|")}
    homes = {table: module.package for module in modules for table in find_models([module]).values()}
    return [
        Read(table, homes[table], module, line)
        for module in modules
        for table, line in _read_by(module, homes)
        if homes[table] != module.package and depths[homes[table]] <= depths[module.package]
    ]


def _read_by(module: Module, homes: Mapping[str, str]) -> Sequence[tuple[str, int]]:
    return [
        (match[1], line + sql.count("\n", 0, match.start()))
        for line, sql in strings_of(module.tree)
        for match in _READ.finditer(sql)
        if match[1] in homes
    ]
