"""What every setting is called: its path in the YAML tree and its environment variable."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from types import MappingProxyType
from typing import Any, Final

from pydantic import BaseModel

from media_analysis.settings.descriptions import describe
from media_analysis.settings.kinds import SettingKind
from media_analysis.settings.model import Settings
from media_analysis.storage.remote.credentials import FAMILIES

CONFIG_VARIABLE: Final = "MEDIA_ANALYSIS_CONFIG"
GUARDED_PREFIXES: Final = ("STORAGE_", "ARCHIVE_", "DELETION_", "TRASH_", "WORKER_", "ANALYSIS_", "MEDIA_ANALYSIS_")
"""Nobody else uses these, so an unknown variable under them is a misspelt setting."""
CREDENTIALS: Final = tuple(f"ARCHIVE_{family}" for family in FAMILIES.values())
"""What a bucket of archives has of its own, by its provider's names: no settings, although they begin like ours."""
COMPOSE_VARIABLES: Final = frozenset({"MEDIA_ANALYSIS_IMAGE", "MEDIA_ANALYSIS_PORT"})
"""Read by compose.yaml, and often exported in the shell in which commands are typed, too."""
CLIENT_VARIABLES: Final = frozenset({"MEDIA_ANALYSIS_URL", "MEDIA_ANALYSIS_TOKEN"})
"""Which server commands ask, and by which token: nothing that a service is set to."""
OTHER_VARIABLES: Final = (
    COMPOSE_VARIABLES
    | CLIENT_VARIABLES
    | {
        CONFIG_VARIABLE,
        "MEDIA_ANALYSIS_TESTING",
        "MEDIA_ANALYSIS_FAILPOINT",
        "MEDIA_ANALYSIS_FAILPOINT_TRACE",
    }
)
_PATH_ALIASES: Final = {
    "data_dir": "MEDIA_ANALYSIS_DATA_DIR",
    "archive.delete_after_days": "DELETE_AFTER_DAYS",
    "deletion.trash_retention": "TRASH_RETENTION",
}
RENAMED: Final = {"storage.monitoring.low_water_percent": "storage.disk.low_water_percent"}
"""What settings were called once: refused with the new name."""
_SPELLINGS: Final = {"contact-sheets": "contact_sheets"}
_TOP: Final = {"monitoring": "storage.monitoring"}
"""Sections that a tree may also have at its top."""
_SAME: Final = {"storage.monitoring.log_level": "logging.level"}
_WORD_ALIASES: Final = {"quotas": "QUOTA", "owner_quotas": "OWNER_QUOTA", "schedules": "SCHEDULE", "logging": "LOG"}


@dataclass(frozen=True, slots=True)
class Leaf:
    """One setting: what it is called, what it means and what it takes."""

    path: str
    env: str
    section: type[BaseModel]
    kind: SettingKind
    default: Any

    @property
    def description(self) -> str:
        """What it does, as its source says."""
        return describe(self.section, self.path.rpartition(".")[2])


def environment_name(path: str) -> str:
    """Return the environment variable of the setting at a path such as `storage.quotas.temp`."""
    if path in _PATH_ALIASES:
        return _PATH_ALIASES[path]
    return "_".join(_WORD_ALIASES.get(word, word.upper()) for word in path.split("."))


@cache
def leaves() -> Mapping[str, Leaf]:
    """Return every setting by its path, in the order of the tree."""
    return MappingProxyType({leaf.path: leaf for leaf in _leaves_of(Settings, ())})


@cache
def variables() -> Mapping[str, str]:
    """Return the path of every setting by its environment variable."""
    return MappingProxyType({leaf.env: leaf.path for leaf in leaves().values()})


def known_path(path: str) -> str:
    """Return the path of what a tree calls by one of its other names."""
    top, *below = path.split(".")
    spelled = ".".join(_SPELLINGS.get(word, word) for word in (_TOP.get(top, top), *below))
    return _SAME.get(spelled, spelled)


def renamed_variables() -> Mapping[str, str]:
    """Return the new variable of each that was called otherwise once."""
    return {environment_name(old): environment_name(new) for old, new in RENAMED.items()}


@cache
def sections() -> frozenset[str]:
    """Return the paths of the branches; the root is the empty path."""
    words = (path.split(".") for path in leaves())
    return frozenset(".".join(parts[:depth]) for parts in words for depth in range(len(parts)))


def value_at(settings: Settings, path: str) -> Any:
    """Return the value of the setting at a path."""
    value: Any = settings
    for word in path.split("."):
        value = getattr(value, word)
    return value


def nearest(word: str, known: Iterable[str]) -> str:
    """Return the known word most like the given one."""
    return get_close_matches(word, list(known), n=1, cutoff=0.0)[0]


def _leaves_of(model: type[BaseModel], above: tuple[str, ...]) -> Iterator[Leaf]:
    for name, field in model.model_fields.items():
        words = (*above, name)
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from _leaves_of(field.annotation, words)
            continue
        path = ".".join(words)
        kind = next(kind for kind in field.metadata if isinstance(kind, SettingKind))
        default = field.get_default(call_default_factory=True)
        yield Leaf(path, environment_name(path), model, kind, default)
