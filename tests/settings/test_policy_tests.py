"""Policy tests stand in the settings and must pass before a policy is taken."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from media_analysis.errors import InvalidSettings
from media_analysis.settings import configured_policy, effective, load_settings, policy_of_tree, read_policy_file
from media_analysis.settings.policy_tests import MOST_TESTS
from media_analysis.storage.category import Category

OLD_FRAMES = {"name": "old frames go", "category": "frames", "age": "31d", "expect": "delete"}


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return tmp_path / "retention.yaml"


def refusal(tests: object, **storage: Any) -> str:
    with pytest.raises(InvalidSettings) as caught:
        load_settings({"storage": {"policy_tests": tests, **storage}}, environ={})
    assert caught.value.__context__ is None
    return str(caught.value)


@pytest.mark.parametrize(
    "test",
    [
        {"rule": "category_lifetime"},
        {"age": "30d", "rule": "category_lifetime"},
        {"age": "29d", "expect": "keep", "rule": "category_lifetime"},
        {"held": True, "expect": "keep", "rule": "hold"},
        {"held": "yes", "leased": "yes", "expect": "KEEP", "rule": "hold"},
        {"leased": True, "expect": "keep", "rule": "job_lease"},
        {"minimum": "40d", "expect": "keep", "rule": "minimum_retention"},
        {"minimum": "31d", "expect": "delete"},
        {"expires_in": "1h", "expect": "keep", "rule": "explicit_expiry"},
        {"expires_in": 0, "rule": "explicit_expiry", "owner": "alice"},
        {"expires_in": "Never", "expect": "keep", "rule": "indefinite"},
        {"expires_in": "never", "under_pressure": True, "expect": "keep"},
        {"expires_in": "1h", "under_pressure": True, "expect": "keep", "rule": "explicit_expiry"},
        {"expires_in": "1h", "under_pressure": True, "beyond_share": True, "rule": "pressure"},
        {"category": "clips", "expires_in": "1h", "under_pressure": True, "rule": "pressure"},
        {"age": "1d", "under_pressure": True, "rule": "pressure"},
        {"category": "outputs", "under_pressure": True, "expect": "keep", "rule": "indefinite"},
        {"category": "temp", "age": 86400, "rule": None, "expires_in": None, "minimum": "none"},
    ],
)
def test_a_test_that_holds_lets_the_settings_load(test: dict[str, Any]) -> None:
    loaded = load_settings({"storage": {"policy_tests": [OLD_FRAMES | test]}}, environ={})

    assert len(loaded.settings.storage.policy_tests) == 1


def test_a_category_s_minimum_counts_unless_the_test_has_its_own() -> None:
    tests = [OLD_FRAMES | {"expect": "keep", "rule": "minimum_retention"}, OLD_FRAMES | {"minimum": "1d"}]

    loaded = load_settings({"storage": {"policy_tests": tests, "minimum_retention": {"frames": "60d"}}}, environ={})

    assert configured_policy(loaded.settings).of(Category.FRAMES).minimum is not None


def test_a_test_that_fails_is_named_with_its_line_and_what_came_out(config: Path) -> None:
    config.write_text(
        "storage:\n"
        "  minimum_retention: {frames: 60d}\n"
        "  policy_tests:\n"
        "    - {name: holds win, category: temp, age: 5d, held: true, expect: keep}\n"
        "    - name: old frames go\n"
        "      category: frames\n"
        "      age: 31d\n"
        "      expect: delete\n"
        "      rule: category_lifetime\n"
        "    - {name: uploads stay, category: uploads, age: 8d, expect: keep}\n"
    )

    with pytest.raises(InvalidSettings) as caught:
        load_settings(environ={}, config=config)

    assert str(caught.value).splitlines() == [
        (
            f"storage.policy_tests[1] 'old frames go' ({config}:5): "
            "expected delete by category_lifetime, got keep by minimum_retention"
        ),
        f"storage.policy_tests[2] 'uploads stay' ({config}:10): expected keep, got delete by category_lifetime",
    ]


def test_the_right_outcome_by_another_rule_fails() -> None:
    line = refusal([OLD_FRAMES | {"rule": "explicit_expiry"}])

    assert line == (
        "storage.policy_tests[0] 'old frames go' (command line): "
        "expected delete by explicit_expiry, got delete by category_lifetime"
    )


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"age": "5 parsecs"}, "age is '5 parsecs': not a span of time; allowed: whole seconds"),
        ({"category": "frame"}, "category is 'frame': not one of the choices; allowed: uploads, frames, "),
        ({"expect": "maybe"}, "expect is 'maybe': not one of the choices; allowed: keep, delete"),
        ({"rule": "age"}, "rule is 'age': not one of the choices; allowed: requested, "),
        ({"held": "perhaps"}, "held is 'perhaps': neither on nor off; allowed: true, false"),
        ({"expires_in": -1}, "expires_in is -1: not a span of time; allowed: whole seconds"),
        ({"size": 1}, "it has no use for 'size'; allowed: name, category, age, "),
    ],
)
def test_a_malformed_test_is_named_and_told_what_is_allowed(change: dict[str, Any], reason: str) -> None:
    line = refusal([OLD_FRAMES | change])

    assert line.startswith(f"storage.policy_tests[0] 'old frames go' (command line): {reason}")


def test_what_a_test_lacks_is_told() -> None:
    lines = refusal([{"name": "x"}, "text", {"name": 5, "category": "temp", "age": 1, "expect": "keep"}]).splitlines()

    assert lines[:3] == [
        f"storage.policy_tests[0] 'x' (command line): it has no {field}" for field in ("category", "age", "expect")
    ]
    assert lines[3] == (
        "storage.policy_tests[1] (command line): not a mapping; it needs name, category, age and expect"
    )
    assert lines[4].startswith("storage.policy_tests[2] (command line): name is 5: not a line of text; allowed: ")


@pytest.mark.parametrize("tests", [5, {"name": "x"}, [OLD_FRAMES] * (MOST_TESTS + 1)])
def test_what_is_no_list_of_tests_is_refused(tests: object) -> None:
    line = refusal(tests)

    assert line.startswith("storage.policy_tests (command line) is ")
    assert len(line) < 300


def test_the_variable_takes_json(config: Path) -> None:
    config.write_text(yaml.safe_dump({"storage": {"policy_tests": [OLD_FRAMES | {"expect": "keep"}]}}))

    loaded = load_settings(environ={"STORAGE_POLICY_TESTS": json.dumps([OLD_FRAMES] * 2)}, config=config)

    (row,) = (row for row in effective(loaded) if row.path == "storage.policy_tests")
    assert row.text == "2 tests"
    assert load_settings(environ={"STORAGE_POLICY_TESTS": "none"}, config=config).settings.storage.policy_tests == ()


@pytest.mark.parametrize("text", ["[" * 100_000, "[1", "{}", "[1]", '[{"name": NaN}]', '"\\ud800"'])
def test_a_variable_that_is_no_list_of_tests_is_refused(text: str) -> None:
    with pytest.raises(InvalidSettings, match=r"^STORAGE_POLICY_TESTS"):
        load_settings(environ={"STORAGE_POLICY_TESTS": text})


@pytest.mark.parametrize("text", ["[&a [*a]]", "[&a {name: *a}]", "&a [*a]", "[{name: 2026-02-31}]"])
def test_a_file_whose_tests_are_knots_is_refused(config: Path, text: str) -> None:
    config.write_text(f"storage:\n  policy_tests: {text}\n")

    with pytest.raises(InvalidSettings) as caught:
        load_settings(environ={}, config=config)

    assert all(line.startswith("storage.policy_tests") for line in str(caught.value).splitlines())
    assert f"({config}:2)" in str(caught.value)


def test_the_tests_of_a_tree_are_put_to_the_policy_it_makes(config: Path) -> None:
    base = configured_policy(load_settings(environ={}).settings)
    tree = {"storage": {"retention": {"frames": "60d"}, "policy_tests": [OLD_FRAMES]}}
    config.write_text(yaml.safe_dump(tree))

    with pytest.raises(InvalidSettings) as of_tree:
        policy_of_tree(tree, base)
    with pytest.raises(InvalidSettings) as of_file:
        read_policy_file(config, base)

    outcome = "expected delete, got keep by category_lifetime"
    assert str(of_tree.value) == f"storage.policy_tests[0] 'old frames go' (policy): {outcome}"
    assert str(of_file.value) == f"storage.policy_tests[0] 'old frames go' ({config}:3): {outcome}"
    assert policy_of_tree(tree | {"storage": {"policy_tests": [OLD_FRAMES]}}, base) == base
