"""The reference of settings, made from the tree of settings itself."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from pydantic import BaseModel

from media_analysis.settings import Leaf, Settings, leaves
from media_analysis.settings.retention import PerCategory

_CHECKOUT: Final = Path(__file__).parents[2]
_HEAD: Final = """\
# Settings

Made from the code by `scripts/manual`; do not edit it here.

Every setting has an environment variable and a place in a YAML file, named with `--config FILE` or
`MEDIA_ANALYSIS_CONFIG`. Without either, `config/config.yaml` beside the data directory is taken if it is there, and
the log says so at start. The command line beats the environment, the environment beats the file, the file beats the
default. `media-analysis config` prints every setting with its value and where that came from. A value that is not
allowed, or a name that is not known, refuses to start and says which, where and what is allowed.

Spans of time are whole seconds or a number with a unit: `30s`, `90m`, `24h`, `7d`. Sizes are bytes or a number with a
unit: `900MiB`, `10GiB`. Schedules are five fields as in crontab(5), in UTC. `none` is no value at all, where a setting
allows that; `-1` means the same, and for a lifetime it is `indefinite`.

```yaml
storage:
  retention: {uploads: 14d, clips: 30m}
  minimum_retention: {frames: 1d}
  cleanup: {schedule: "30 1 * * *", batch_size: 2000}
  policy_tests:           # run at load: a policy that fails them is refused
    - {name: old frames go, category: frames, age: 31d, expect: delete, rule: category_lifetime}
    - {name: holds win, category: temp, age: 5d, held: true, expect: keep, rule: hold}
```

Lifetimes, minimums, quotas, marks, priorities and schedules are the policy. It is kept in the database and holds for
all processes: [how a policy changes](../concepts.md#policy).
"""


def page() -> str:
    """Return the page: one table a branch of the tree, in the order of the tree."""
    return "\n".join((_HEAD, *_branches(Settings, "")))


def _branches(model: type[BaseModel], path: str) -> Iterator[str]:
    prefix = f"{path}." if path else ""
    names = list(model.model_fields)
    own = [leaf for leaf in leaves().values() if leaf.path in {f"{prefix}{name}" for name in names}]
    if own:
        yield _section(model, path, own)
    for name, field in model.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from _branches(field.annotation, f"{prefix}{name}")


def _section(model: type[BaseModel], path: str, own: list[Leaf]) -> str:
    heading = f"## {path or 'Top of the tree'}"
    about = (model.__doc__ or "").strip()
    if issubclass(model, PerCategory):
        return f"{heading}\n\n{about} Takes {own[0].kind.allowed}.\n\n{_category_table(own, about)}"
    rows = [(_names(leaf), f"`{_default(leaf)}`", leaf.kind.allowed, leaf.description) for leaf in own]
    return f"{heading}\n\n{about}\n\n{_table(('setting', 'default', 'takes', 'what it does'), rows)}"


def _category_table(own: list[Leaf], about: str) -> str:
    notes = {leaf.path: "" if leaf.description == about else leaf.description for leaf in own}
    rows = [(_names(leaf), f"`{_default(leaf)}`", notes[leaf.path]) for leaf in own]
    if not any(notes.values()):
        return _table(("setting", "default"), [row[:2] for row in rows])
    return _table(("setting", "default", "what differs"), rows)


def _names(leaf: Leaf) -> str:
    return f"`{leaf.env}`<br>`{leaf.path}`"


def _default(leaf: Leaf) -> str:
    """Return a default as it is written; a place in the checkout stands without the path of this one."""
    if isinstance(leaf.default, Path) and leaf.default.is_relative_to(_CHECKOUT):
        return str(leaf.default.relative_to(_CHECKOUT))
    return leaf.kind.show(leaf.default)


def _table(header: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    lines = [header, ("---",) * len(header), *rows]
    return "".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |\n" for line in lines)
