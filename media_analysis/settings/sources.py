"""Where values come from: the command line, the environment and a YAML file."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource

from media_analysis.settings.names import (
    CREDENTIALS,
    GUARDED_PREFIXES,
    OTHER_VARIABLES,
    RENAMED,
    known_path,
    leaves,
    nearest,
    renamed_variables,
    sections,
    variables,
)
from media_analysis.settings.texts import MediaTypes

# Trees come over HTTP too: looking for the nearest known name is bounded.
MOST_NAMES: Final = 100
LONGEST_NAME: Final = 100


@dataclass(frozen=True, slots=True)
class Given:
    """A value somebody gave, and how to name its place to them."""

    value: Any
    name: str
    place: str
    origin: str
    item_places: tuple[str, ...] = ()
    """Of a list, where each of its items is, if that is known."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What one place gives by path, and what is wrong with it, one problem a line."""

    given: dict[str, Given] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)


class Layer(PydanticBaseSettingsSource):
    """One place's values as pydantic-settings merges them."""

    def __init__(self, settings_cls: type[BaseSettings], reading: Reading) -> None:
        super().__init__(settings_cls)
        self._reading = reading

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:  # noqa: ARG002
        return self().get(field_name), field_name, False

    def __call__(self) -> dict[str, Any]:
        tree: dict[str, Any] = {}
        for path, given in self._reading.given.items():
            *above, name = path.split(".")
            branch = tree
            for word in above:
                branch = branch.setdefault(word, {})
            branch[name] = given.value
        return tree


def read_environment(environ: Mapping[str, str]) -> Reading:
    """Take the known variables; an unknown one under a prefix of ours is a problem, and so is an empty one."""
    reading = Reading()
    for name, value in environ.items():
        path = variables().get(name)
        if path is not None:
            _take_variable(reading, path, name, value)
        elif name in renamed_variables():
            reading.problems.append(f"{name} (environment): is called {renamed_variables()[name]} now")
        elif name.startswith(GUARDED_PREFIXES) and not name.startswith(CREDENTIALS) and name not in OTHER_VARIABLES:
            known = nearest(name, variables())
            reading.problems.append(f"{name} (environment): unknown variable; the nearest known one is {known}")
    return reading


def _take_variable(reading: Reading, path: str, name: str, value: str) -> None:
    kind = leaves()[path].kind
    if value.strip() or isinstance(kind, MediaTypes):
        reading.given[path] = Given(value, name, "environment", f"environment {name}")
    else:
        reading.problems.append(f"{name} (environment) is empty; allowed: {kind.allowed}")


def read_overrides(overrides: Mapping[str, Any]) -> Reading:
    """Take the tree of values given on the command line."""
    return read_tree(overrides, place="command line")


def read_tree(tree: object, *, place: str) -> Reading:
    """Take a tree of values; `place` says to whoever gave them where they did."""
    reading = Reading()
    _take_branch(reading, tree, "", place)
    return reading


def _take_branch(reading: Reading, branch: object, above: str, place: str) -> None:
    if branch is None:
        return
    if not isinstance(branch, Mapping):
        reading.problems.append(f"{above or 'the tree'} ({place}): a section, not a value")
        return
    if len(branch) > MOST_NAMES:
        reading.problems.append(f"{above or 'the tree'} ({place}): more than {MOST_NAMES} names")
        return
    for name, value in branch.items():
        path = known_path(f"{above}.{name}" if above else str(name))
        if path in reading.given:
            reading.problems.append(f"{path} ({place}): given twice")
        elif path in leaves():
            reading.given[path] = Given(value, path, place, place)
        elif path in sections():
            _take_branch(reading, value, path, place)
        else:
            reading.problems.append(unknown_path(path, place))


def unknown_path(path: str, place: str) -> str:
    """Say that there is no such setting, and which one may have been meant."""
    path = path[:LONGEST_NAME]
    if path in RENAMED:
        return f"{path} ({place}): is called {RENAMED[path]} now"
    known = nearest(path, [*leaves(), *(section for section in sections() if section)])
    return f"{path if path.isprintable() else ascii(path)} ({place}): unknown setting; the nearest known one is {known}"
