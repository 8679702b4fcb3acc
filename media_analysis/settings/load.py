"""Loading: defaults < YAML file < environment < command line, every problem reported at once."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from media_analysis.errors import InvalidSettings
from media_analysis.settings.data_dir import data_dir_origin, default_data_dir
from media_analysis.settings.model import Settings
from media_analysis.settings.names import CONFIG_VARIABLE, leaves, value_at
from media_analysis.settings.password_file import with_password
from media_analysis.settings.policy import policy_problems
from media_analysis.settings.sources import Given, Reading, read_environment, read_overrides
from media_analysis.settings.validation import given_or_default, refuse, validate
from media_analysis.settings.yaml_file import read_file
from media_analysis.storage.sites import nesting, second_place_problem

_ARCHIVES: Final = "archive.base_path"
_REPLICA: Final = "storage.replica.url"
_PASSWORD: Final = "database.password_file"  # noqa: S105 - a setting's path, not a password


@dataclass(frozen=True, slots=True)
class LoadedSettings:
    """The settings, and for every path where its value came from."""

    settings: Settings
    origins: Mapping[str, str]
    found: Path | None = None
    """The YAML file that nobody named, but that lay where one is looked for."""


@dataclass(frozen=True, slots=True)
class SettingRow:
    """One setting as an operator reads it; secrets are masked in value and text."""

    path: str
    value: Any
    text: str
    origin: str
    env: str


def load_settings(
    overrides: Mapping[str, Any] | None = None,
    *,
    environ: Mapping[str, str] | None = None,
    config: Path | None = None,
) -> LoadedSettings:
    """Return the settings in force; `config` wins over MEDIA_ANALYSIS_CONFIG, and that over `config/config.yaml`.

    The latter is looked for beside the data directory that the command line, the environment or the default names.

    Raises InvalidSettings with one line for every problem: which setting, where, what was given, what is allowed;
    and for every policy test that fails what was expected and what came out.
    """
    environ = os.environ if environ is None else environ
    found = _find_config(overrides or {}, environ) if config is None and CONFIG_VARIABLE not in environ else None
    file = _read_config(config, environ) if found is None else read_file(found, named_by="config.yaml (found)")
    readings = (read_overrides(overrides or {}), read_environment(environ), file)
    given = {path: one for reading in reversed(readings) for path, one in reading.given.items()}
    settings, refusals = validate(readings, given)
    if settings is not None:
        refusals = [
            *place_problems(settings, given),
            *password_problems(settings, given),
            *policy_problems(settings, given),
        ]
    problems = [*(problem for reading in readings for problem in reading.problems), *refusals]
    if settings is None or problems:
        raise InvalidSettings("\n".join(problems))
    origins = {path: given[path].origin if path in given else _default_origin(path) for path in leaves()}
    return LoadedSettings(settings, MappingProxyType(origins), found)


class DescribedSetting(NamedTuple):
    """One setting as a screen shows it; secrets are masked."""

    section: str
    name: str
    text: str
    env: str


def describe(settings: Settings) -> list[DescribedSetting]:
    """Return every setting of a running service in the order of the tree, printable."""
    return [
        DescribedSetting(*_apart(path), leaf.kind.show(value_at(settings, path)), leaf.env)
        for path, leaf in leaves().items()
    ]


def effective(loaded: LoadedSettings) -> list[SettingRow]:
    """Return every setting in the order of the tree, printable."""
    return [_row(loaded, path) for path in leaves()]


def _apart(path: str) -> tuple[str, str]:
    section, _, name = path.rpartition(".")
    return section, name


def _default_origin(path: str) -> str:
    return data_dir_origin() if path == "data_dir" else "default"


def _row(loaded: LoadedSettings, path: str) -> SettingRow:
    leaf, value = leaves()[path], value_at(loaded.settings, path)
    text = leaf.kind.show(value)
    shown = text if leaf.kind.secret and value is not None else value
    return SettingRow(path, shown, text, loaded.origins[path], leaf.env)


def _find_config(overrides: Mapping[str, Any], environ: Mapping[str, str]) -> Path | None:
    """Return the `config/config.yaml` beside the data directory, where cleanup scripts keep theirs."""
    data_dir = overrides.get("data_dir") or environ.get("MEDIA_ANALYSIS_DATA_DIR", "").strip() or default_data_dir()
    path = Path(data_dir).absolute().parent / "config" / "config.yaml"
    return path if path.is_file() else None


def _read_config(config: Path | None, environ: Mapping[str, str]) -> Reading:
    if config is not None:
        return read_file(config, named_by="--config (command line)")
    named = environ.get(CONFIG_VARIABLE)
    if named is None:
        return Reading()
    if not named.strip():
        return Reading(problems=[f"{CONFIG_VARIABLE} (environment) is empty; allowed: a readable YAML file"])
    return read_file(Path(named), named_by=f"{CONFIG_VARIABLE} (environment)")


def place_problems(settings: Settings, given: Mapping[str, Given]) -> list[str]:
    """Return a line for each store that has two sites, and one if archives were to lie in the store, or around it."""
    storage, archive = settings.storage, settings.archive
    found: list[str] = []
    for path, url in ((storage.base_path, "storage.url"), (archive.base_path, "archive.url")):
        if path is not None and value_at(settings, url) is not None:
            reason = f"a second site, for {leaves()[url.replace('url', 'base_path')].env} is given, too"
            found.append(refuse(url, given_or_default(url, given), reason))
    if found:
        return found
    name = _ARCHIVES if archive.url is None else "archive.url"
    overlaps = {name: _overlap(settings), _REPLICA: _replica_overlap(settings)}
    return [refuse(at, given_or_default(at, given), reason) for at, reason in overlaps.items() if reason is not None]


def password_problems(settings: Settings, given: Mapping[str, Given]) -> list[str]:
    """Return one line if the database's password cannot be had from the file that is named."""
    url, path = settings.database.url, settings.database.password_file
    if path is None:
        return []
    one = given_or_default(_PASSWORD, given)
    if url is None:
        return [refuse(_PASSWORD, one, "there is no DATABASE_URL that it is for")]
    try:
        with_password(url.get_secret_value(), path)
    except ValueError as error:
        return [refuse(_PASSWORD, one, str(error))]
    return []


def _overlap(settings: Settings) -> str | None:
    try:
        sites = settings.sites
    except (OSError, RuntimeError):
        return "its links, or those of the store, lead nowhere"
    main, archives = sites.main, sites.archives
    if archives == main:
        name = _ARCHIVES if settings.archive.url is None else "archive.url"
        return f"the store itself; leave {leaves()[name].env} out for that"
    return None if archives is None else nesting(archives, main, "the store")


def _replica_overlap(settings: Settings) -> str | None:
    """Say whether replicas would lie where the primaries do; of buckets more than the address has to be known."""
    if settings.storage.replica.url is None:
        return None
    try:
        sites, replica = settings.sites, settings.replica_site
    except (OSError, RuntimeError):
        return "its links, or those of the store, lead nowhere"
    return second_place_problem(replica, sites.named) if isinstance(replica, Path) else None
