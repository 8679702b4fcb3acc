"""What linters cannot say about our code, read from its syntax trees."""

import ast
import importlib
import re
import tomllib
from collections.abc import Iterator
from enum import Enum
from pathlib import Path

import pytest

from scripts.survey.modules import parse

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "media_analysis"
MODULES = sorted(PACKAGE.rglob("*.py"))
LONGEST_MODULE = 300
LONGEST_BODY = 40
VAGUE_NAMES = {"utils", "util", "helpers", "helper", "common", "manager", "misc", "base_manager"}
FRAMEWORKS = {"fastapi", "starlette", "fastapi_problem", "uvicorn"}
MAY_KNOW_HTTP = {"api", "app", "cli", "web"}
Function = ast.FunctionDef | ast.AsyncFunctionDef


def tree_of(module: Path) -> ast.Module:
    """Read a module; kept, the million nodes of all would be looked through whenever garbage is, to the last test."""
    return parse(module.read_text())


def saying(*words: str) -> Iterator[Path]:
    """Yield the modules in whose text one of these words is: to read the grammar of all takes seconds."""
    said = re.compile("|".join(rf"\b{word}\b" for word in words))
    yield from (module for module in MODULES if said.search(module.read_text()))


def place(module: Path, node: ast.stmt | ast.expr) -> str:
    return f"{module.relative_to(ROOT)}:{node.lineno}"


def body_lines(function: Function) -> int:
    """Count the lines of a body, its docstring left out."""
    body = function.body[1:] if ast.get_docstring(function, clean=False) is not None else function.body
    return (function.end_lineno or 0) - body[0].lineno + 1 if body else 0


def enums_of(module: Path) -> dict[str, type[Enum]]:
    """Return the enums a module knows, by the name it knows them by."""
    name = ".".join(module.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
    return {
        known: kind
        for known, kind in vars(importlib.import_module(name)).items()
        if isinstance(kind, type) and issubclass(kind, Enum)
    }


def is_member(pattern: ast.pattern, enums: dict[str, type[Enum]]) -> bool:
    """Tell whether a pattern, or a part of an alternative, is a member of an enum."""
    match pattern:
        case ast.MatchValue(value=ast.Attribute(value=ast.Name(id=name))):
            return name in enums
        case ast.MatchOr(patterns=patterns):
            return any(is_member(part, enums) for part in patterns)
        case ast.MatchAs(pattern=ast.pattern() as inner):
            return is_member(inner, enums)
    return False


def takes_everything(pattern: ast.pattern) -> bool:
    return isinstance(pattern, ast.MatchAs) and (pattern.pattern is None or takes_everything(pattern.pattern))


def is_closed(match: ast.Match, following: ast.stmt | None) -> bool:
    """Tell whether the last case takes everything that is left, or `assert_never` stands behind it."""
    last = match.cases[-1]
    if last.guard is None and takes_everything(last.pattern):
        return True
    return following is not None and ast.unparse(following).startswith("assert_never(")


def matches_of(tree: ast.Module) -> Iterator[tuple[ast.Match, ast.stmt | None]]:
    """Yield every match with the statement behind it."""
    for node in ast.walk(tree):
        for name in ("body", "orelse", "finalbody"):
            statements = getattr(node, name, [])
            for index, statement in enumerate(statements if isinstance(statements, list) else []):
                if isinstance(statement, ast.Match):
                    yield statement, next(iter(statements[index + 1 :]), None)


def open_matches(tree: ast.Module, enums: dict[str, type[Enum]]) -> Iterator[ast.Match]:
    """Yield the matches on an enum that say nothing about members added later."""
    for match, following in matches_of(tree):
        if any(is_member(case.pattern, enums) for case in match.cases) and not is_closed(match, following):
            yield match


def imported(module: Path) -> Iterator[tuple[str, ast.stmt]]:
    """Yield the top-level packages a module imports, wherever it does."""
    for node in ast.walk(tree_of(module)):
        if isinstance(node, ast.Import):
            yield from ((name.name.partition(".")[0], node) for name in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.partition(".")[0], node


def test_transactions_are_blocks_and_nobody_commits_by_hand() -> None:
    by_hand = [
        place(module, call)
        for module in saying("commit", "rollback")
        for call in ast.walk(tree_of(module))
        if isinstance(call, ast.Call)
        if isinstance(call.func, ast.Attribute) and call.func.attr in {"commit", "rollback"}
    ]

    assert by_hand == []


def test_no_module_has_a_name_that_says_nothing() -> None:
    vague = [str(module.relative_to(ROOT)) for module in MODULES if {module.stem, *module.parts} & VAGUE_NAMES]

    assert vague == []


def test_no_module_is_longer_than_one_sitting() -> None:
    lengths = {str(path.relative_to(ROOT)): len(path.read_text().splitlines()) for path in _everything()}

    assert {name: lines for name, lines in lengths.items() if lines > LONGEST_MODULE} == {}


def test_no_function_is_longer_than_one_look() -> None:
    too_long = [
        f"{place(module, node)} {node.name} has {body_lines(node)} lines"
        for module in _everything()
        for node in ast.walk(tree_of(module))
        if isinstance(node, Function) and body_lines(node) > LONGEST_BODY
    ]

    assert too_long == []


def test_a_match_on_an_enum_is_closed() -> None:
    still_open = [
        place(module, match) for module in saying("match") for match in open_matches(tree_of(module), enums_of(module))
    ]

    assert still_open == []


def test_only_the_edges_know_the_web_framework() -> None:
    known = [
        place(module, node)
        for module in saying(*FRAMEWORKS)
        if module.relative_to(PACKAGE).parts[0].removesuffix(".py") not in MAY_KNOW_HTTP
        for name, node in imported(module)
        if name in FRAMEWORKS
    ]

    assert known == []


def test_nothing_is_left_to_be_done_in_comments() -> None:
    left = [
        f"{path.relative_to(ROOT)}:{number}"
        for path in _everything()
        if path != Path(__file__)
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if re.search(r"\b(TODO|FIXME|XXX|HACK)\b", line)
    ]

    assert left == []


def test_the_contract_about_http_covers_every_package_that_does_not_speak_it() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    covered = next(contract["source_modules"] for contract in contracts if contract["type"] == "forbidden")

    rooms = {path.stem for path in PACKAGE.iterdir() if path.suffix == ".py" or path.is_dir()}
    rooms -= {"__init__", "__main__", "__pycache__", *MAY_KNOW_HTTP}
    assert sorted(covered) == sorted(f"media_analysis.{room}" for room in rooms)


@pytest.mark.parametrize("lock", sorted(ROOT.glob("requirements*.lock")), ids=lambda path: path.name)
def test_a_lock_pins_every_distribution_by_hash_and_names_no_host(lock: Path) -> None:
    lines = lock.read_text().splitlines()

    strange = [
        line
        for line in lines
        if not re.fullmatch(r"([a-z0-9.-]+(\[[a-z,-]+\])?==\S+( ; .+)? \\|    --hash=sha256:[0-9a-f]{64}( \\)?)", line)
    ]
    pins = [line for line in lines if "==" in line and not line.startswith(" ")]

    assert strange == []
    assert pins
    assert "://" not in lock.read_text()


@pytest.mark.parametrize(
    ("rest", "found"),
    [
        ("", 1),
        ("    case Category.CLIPS | Category.UPLOADS:\n        pass\n", 1),
        ("    case _ if len(category) > 3:\n        pass\n", 1),
        ("    case _:\n        pass\n", 0),
        ("    case _ as unknown:\n        assert_never(unknown)\n", 0),
        ("assert_never(category)\n", 0),
    ],
)
def test_the_search_for_open_matches_finds_them(rest: str, found: int) -> None:
    source = ast.parse(f"match category:\n    case Category.TEMP:\n        pass\n{rest}")

    assert len(list(open_matches(source, enums_of(PACKAGE / "storage" / "category.py")))) == found


def _everything() -> list[Path]:
    """Return all Python of ours: the package, its migrations, its tests and its scripts."""
    return [
        *MODULES,
        *(path for folder in ("migrations", "tests", "scripts") for path in (ROOT / folder).rglob("*.py")),
    ]
