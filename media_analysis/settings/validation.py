"""From readings to settings, or to lines that say what is wrong with which value, and where it was given."""

from collections.abc import Mapping
from typing import Any, Final

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from media_analysis.settings.database_url import MASK
from media_analysis.settings.kinds import SettingKind
from media_analysis.settings.model import Settings
from media_analysis.settings.names import leaves
from media_analysis.settings.policy_tests import PolicyTest, PolicyTests
from media_analysis.settings.sources import Given, Layer, Reading

_LONGEST_QUOTE: Final = 80


def validate(readings: tuple[Reading, ...], given: Mapping[str, Given]) -> tuple[Settings | None, list[str]]:
    """Return the settings or one line a refusal; an exception of pydantic's would carry the values it refused."""
    layers = [Layer(Settings, reading) for reading in readings]
    arguments: dict[str, Any] = {"layers": layers}
    try:
        return Settings(**arguments), []
    except ValidationError as error:
        return None, [_refusal(details, given) for details in error.errors()]


def refuse(path: str, one: Given, reason: str) -> str:
    """Say that the value given for the setting at a path is refused."""
    kind = leaves()[path].kind
    value = MASK if kind.secret else _shortened(one.value)
    return f"{one.name} ({one.place}) is {value}: {reason}; allowed: {kind.allowed}"


def refuse_test(index: int, name: object, one: Given, reason: str) -> str:
    """Say that one of the policy tests is refused, or refuses the policy."""
    called = f" {_shortened(name)}" if isinstance(name, str) else ""
    place = one.item_places[index] if index < len(one.item_places) else one.place
    return f"{one.name}[{index}]{called} ({place}): {reason}"


def given_or_default(path: str, given: Mapping[str, Given]) -> Given:
    """Return what was given at a path, or the default as something given."""
    leaf = leaves()[path]
    return given.get(path) or Given(leaf.default, leaf.env, "default", "default")


def _refusal(details: ErrorDetails, given: Mapping[str, Given]) -> str:
    path = next(known for known in _prefixes(details["loc"]) if known in leaves())
    one = given_or_default(path, given)
    match details["loc"][len(path.split(".")) :]:
        case [int(index), *within]:
            return _test_refusal(index, within, details, one)
        case _:
            return refuse(path, one, _reason(details))


def _test_refusal(index: int, within: list[int | str], details: ErrorDetails, one: Given) -> str:
    test = PolicyTests().parse(one.value)[index]
    name = test.get("name") if isinstance(test, Mapping) else None
    return refuse_test(index, name, one, _test_reason(within, details))


def _test_reason(within: list[int | str], details: ErrorDetails) -> str:
    known = PolicyTest.model_fields
    match within, details["type"]:
        case [str(field), *_], "missing":
            return f"it has no {field}"
        case [str(field), *_], _ if field in known:
            kind = next(kind for kind in known[field].metadata if isinstance(kind, SettingKind))
            return f"{field} is {_shortened(details['input'])}: {_reason(details)}; allowed: {kind.allowed}"
        case [field, *_], _:
            return f"it has no use for {_shortened(field)}; allowed: {', '.join(known)}"
        case _:
            return "not a mapping; it needs name, category, age and expect"


def _reason(details: ErrorDetails) -> str:
    return str(details.get("ctx", {}).get("error", details["msg"]))


def _prefixes(location: tuple[int | str, ...]) -> list[str]:
    return [".".join(str(word) for word in location[:depth]) for depth in range(1, len(location) + 1)]


def _shortened(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _LONGEST_QUOTE else f"{text[:_LONGEST_QUOTE]}..."
