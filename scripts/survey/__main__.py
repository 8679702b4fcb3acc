"""Prints figures of how a package is built, so that two trees can be compared."""

import argparse
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from scripts.survey.classes import find_twice
from scripts.survey.modules import Module, find_imports, read_modules
from scripts.survey.reads import find_upward_reads, read_layers
from scripts.survey.verbs import VERBS, find_functions
from scripts.survey.writes import find_writes

PACKAGE: Final = Path(__file__).parents[2] / "media_analysis"


def main() -> None:
    """Measure the package that was asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("package", nargs="?", type=Path, default=PACKAGE, help="the directory of a package")
    package = parser.parse_args().package.resolve()
    modules = read_modules(package)
    lines = sum(len(module.source.splitlines()) for module in modules)
    edges = sum(map(len, find_imports(modules).values()))
    print(f"{lines:,} lines in {len(modules)} modules; each imports {edges / len(modules):.2f} others")
    twice = find_twice(modules)
    print(f"{len(twice)} public class names are those of several classes")
    for name, places in twice.items():
        print(f"    {name}: {', '.join(places)}")
    for act, verbs in VERBS.items():
        counts = Counter(function.verb for function in find_functions(modules) if function.verb in verbs)
        told = ", ".join(f"{verb} {count}" for verb, count in counts.most_common())
        print(f"{counts.total()} functions {act}, by {len(counts)} verbs: {told}")
    upward = find_upward_reads(modules, read_layers(package.parent / "pyproject.toml"))
    print(f"{len(upward)} statements read a table of a layer above")
    print("".join(f"    {read.module.name}:{read.line} {read.table} of {read.home}\n" for read in upward), end="")
    _print_writes(modules)


def _print_writes(modules: Sequence[Module]) -> None:
    writes = find_writes(modules)
    for table in sorted({write.table for write in writes}):
        of_table = [write for write in writes if write.table == table]
        packages = Counter(write.module.package for write in of_table)
        counts = ", ".join(f"{package} {count}" for package, count in packages.most_common())
        print(f"{table}: written by {len(of_table)} statements ({counts})")
        print("\n".join(f"    {write.module.name}:{write.line} {write.verb}" for write in of_table))


if __name__ == "__main__":
    main()
