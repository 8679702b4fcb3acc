"""The YAML file, read node by node so that every problem names its line."""

from pathlib import Path

import yaml

from media_analysis.settings.names import known_path, leaves, sections
from media_analysis.settings.sources import Given, Reading, unknown_path


def read_file(path: Path, *, named_by: str) -> Reading:
    """Take the tree in a YAML file; `named_by` says who asked for it, should it not be readable."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        return Reading(problems=[f"{named_by} is {str(path)!r}: {error.strerror}; allowed: a readable YAML file"])
    except UnicodeDecodeError:
        return Reading(problems=[f"{named_by} is {str(path)!r}: not UTF-8; allowed: a YAML file"])
    return _Document(path, text).read()


class _Document:
    """One file on its way into a reading."""

    def __init__(self, path: Path, text: str) -> None:
        self._path = path
        self._text = text
        self._reading = Reading()

    def read(self) -> Reading:
        try:
            loader = yaml.SafeLoader(self._text)
            root = loader.get_single_node()
            if root is not None:
                self._take_branch(loader, root, "")
        except yaml.YAMLError as error:
            self._reading.problems.append(self._unreadable(error))
        return self._reading

    def _take_branch(self, loader: yaml.SafeLoader, branch: yaml.Node, above: str) -> None:
        if isinstance(branch, yaml.ScalarNode) and branch.tag == "tag:yaml.org,2002:null":
            return
        if not isinstance(branch, yaml.MappingNode):
            self._refuse(above or "the file", branch, "a section, not a value")
            return
        seen: set[str] = set()
        for key, node in branch.value:
            path = known_path(f"{above}.{key.value}" if above else str(key.value))
            if path in seen or path in self._reading.given:
                self._refuse(path, key, "given twice")
            seen.add(path)
            self._take(loader, path, key, node)

    def _take(self, loader: yaml.SafeLoader, path: str, key: yaml.Node, node: yaml.Node) -> None:
        if path in self._reading.given:
            self._refuse(path, key, f"given twice, also at {self._reading.given[path].place}")
        elif path in leaves():
            value = _constructed(loader, node)
            items = node.value if isinstance(node, yaml.SequenceNode) else ()
            places = tuple(self._place(item) for item in items)
            self._reading.given[path] = Given(value, path, self._place(key), f"file {self._path}", places)
        elif path in sections():
            self._take_branch(loader, node, path)
        else:
            self._reading.problems.append(unknown_path(path, self._place(key)))

    def _refuse(self, path: str, node: yaml.Node, reason: str) -> None:
        self._reading.problems.append(f"{path} ({self._place(node)}): {reason}")

    def _place(self, node: yaml.Node) -> str:
        return f"{self._path}:{node.start_mark.line + 1}"

    def _unreadable(self, error: yaml.YAMLError) -> str:
        """Name the line only: the parser's own words may quote a password."""
        mark = error.problem_mark if isinstance(error, yaml.MarkedYAMLError) else None
        line = f":{mark.line + 1}" if mark is not None else ""
        return f"{self._path}{line}: not valid YAML; values that start with * or contain ': ' need quotes"


def _constructed(loader: yaml.SafeLoader, node: yaml.Node) -> object:
    """Build a value; one that YAML recognizes but cannot build (31 February) stays the text it is."""
    try:
        return loader.construct_object(node, deep=True)
    except (yaml.YAMLError, ValueError, OverflowError):
        return node.value
