"""What people read of an error has a subject: "the archive ends within a frame", never "it ends"."""

import ast
from collections.abc import Iterator

import media_analysis.errors
from tests.test_conventions import MODULES, place, tree_of


def test_no_error_begins_with_something_that_was_not_named() -> None:
    assert [where for where, text in _texts() if text.split(" ")[0] in {"it", "its", "they", "their"}] == []


def test_the_texts_of_errors_are_found() -> None:
    assert "the archive ends within a frame" in [text for _, text in _texts()]


def _texts() -> Iterator[tuple[str, str]]:
    for module in MODULES:
        for call in ast.walk(tree_of(module)):
            if isinstance(call, ast.Call) and call.args and _is_error(call.func):
                for constant in ast.walk(call.args[0]):
                    if isinstance(constant, ast.Constant) and isinstance(constant.value, str):
                        yield place(module, call), constant.value
                        break


def _is_error(function: ast.expr) -> bool:
    if isinstance(function, ast.Name):
        return function.id in media_analysis.errors.__all__
    return isinstance(function, ast.Attribute) and function.attr == "__init__"
