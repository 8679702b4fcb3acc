"""The policy that settings describe: its defaults, its marks, and what a tree changes of it."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from media_analysis.errors import InvalidSettings
from media_analysis.policy.decision import Policy
from media_analysis.settings import Settings, configured_policy, load_settings, policy_of_tree, read_policy_file
from media_analysis.settings.retention import GIB, MIB
from media_analysis.storage.category import Category

DAY, HOUR = timedelta(days=1), timedelta(hours=1)
NIGHTLY = "0 2 * * *"
DESIGN: Mapping[Category, tuple[timedelta | None, int | None, int | None, int | None, str]] = {
    Category.TEMP: (DAY, 5 * GIB, 5 * GIB * 9 // 10, 1, "0 * * * *"),
    Category.UPLOADS: (7 * DAY, 10 * GIB, 9 * GIB, 3, NIGHTLY),
    Category.FRAMES: (30 * DAY, 50 * GIB, 45 * GIB, 4, NIGHTLY),
    Category.CONTACT_SHEETS: (30 * DAY, 20 * GIB, 18 * GIB, 5, NIGHTLY),
    Category.OUTPUTS: (None, 100 * GIB, None, None, NIGHTLY),
    Category.CLIPS: (HOUR, GIB, 900 * MIB, 2, "*/15 * * * *"),
    Category.ARCHIVES: (30 * DAY, None, None, None, "0 3 * * *"),
}
SIZES = st.sampled_from([0, 1, 100 * MIB, 900 * MIB, GIB, 50 * GIB, 2**60])


def configured(**environ: str) -> Policy:
    return configured_policy(load_settings(environ=environ).settings)


def marks(policy: Policy, category: Category) -> tuple[int | None, int | None]:
    return policy.of(category).high_water_bytes, policy.of(category).low_water_bytes


def refusal(tree: Mapping[str, Any], base: Policy | None = None) -> str:
    with pytest.raises(InvalidSettings) as caught:
        policy_of_tree(tree, base or configured())
    assert caught.value.__context__ is None
    return str(caught.value)


def load_refusal(**environ: str) -> str:
    with pytest.raises(InvalidSettings) as caught:
        load_settings(environ=environ)
    return str(caught.value)


@pytest.mark.parametrize("category", Category)
def test_the_defaults_are_the_table_of_the_design(category: Category) -> None:
    lifetime, quota_bytes, low_bytes, priority, schedule = DESIGN[category]

    rules = configured_policy(Settings()).of(category)

    assert (rules.lifetime, rules.quota_bytes, rules.schedule) == (lifetime, quota_bytes, schedule)
    assert (rules.low_water_bytes, rules.eviction_priority, rules.minimum) == (low_bytes, priority, None)
    assert rules.high_water_bytes == (quota_bytes if priority is not None else None)


@pytest.mark.parametrize(
    ("environ", "category", "expected"),
    [
        ({"STORAGE_QUOTA_FRAMES": "10GiB"}, Category.FRAMES, (10 * GIB, 9 * GIB)),
        ({"STORAGE_QUOTA_FRAMES": "none"}, Category.FRAMES, (None, None)),
        ({"STORAGE_HIGH_WATER_FRAMES": "10GiB"}, Category.FRAMES, (10 * GIB, 9 * GIB)),
        ({"STORAGE_LOW_WATER_FRAMES": "1GiB"}, Category.FRAMES, (50 * GIB, GIB)),
        ({"STORAGE_EVICTION_PRIORITY_FRAMES": "none"}, Category.FRAMES, (None, None)),
        ({"STORAGE_EVICTION_PRIORITY_OUTPUTS": "9"}, Category.OUTPUTS, (100 * GIB, 90 * GIB)),
        ({"STORAGE_HIGH_WATER_ARCHIVES": "10GiB"}, Category.ARCHIVES, (10 * GIB, 9 * GIB)),
        ({"STORAGE_QUOTA_CLIPS": "2GiB"}, Category.CLIPS, (2 * GIB, 900 * MIB)),
        ({"STORAGE_QUOTA_CLIPS": "100MiB"}, Category.CLIPS, (100 * MIB, 90 * MIB)),
        ({"STORAGE_HIGH_WATER_CLIPS": "100MiB"}, Category.CLIPS, (100 * MIB, 90 * MIB)),
        ({"STORAGE_LOW_WATER_CLIPS": "none"}, Category.CLIPS, (GIB, GIB * 9 // 10)),
        ({"STORAGE_QUOTA_CLIPS": "none"}, Category.CLIPS, (None, None)),
    ],
)
def test_marks_that_were_not_given_follow(
    environ: dict[str, str], category: Category, expected: tuple[int | None, int | None]
) -> None:
    assert marks(configured(**environ), category) == expected


@pytest.mark.parametrize(
    ("environ", "line"),
    [
        (
            {"STORAGE_LOW_WATER_CLIPS": "900MiB", "STORAGE_QUOTA_CLIPS": "500MiB"},
            "STORAGE_LOW_WATER_CLIPS (environment) is '900MiB': above the high mark of clips, which is 500.0 MiB; ",
        ),
        (
            {"STORAGE_HIGH_WATER_TEMP": "6GiB"},
            (
                "STORAGE_HIGH_WATER_TEMP (environment) is '6GiB': above storage.quotas.temp, which is 5.0 GiB: "
                "uploads would be refused before pressure evicts anything; allowed:"
            ),
        ),
        (
            {"STORAGE_LOW_WATER_OUTPUTS": "1GiB"},
            (
                "STORAGE_LOW_WATER_OUTPUTS (environment) is '1GiB': a low mark without a high one; "
                "give storage.high_water.outputs, or a quota and an eviction priority, too; allowed:"
            ),
        ),
    ],
)
def test_marks_that_contradict_each_other_are_refused(environ: dict[str, str], line: str) -> None:
    assert load_refusal(**environ).startswith(line)


def test_settings_made_without_loading_are_refused_too() -> None:
    settings = Settings.model_validate({"storage": {"high_water": {"temp": "6GiB"}}})

    with pytest.raises(InvalidSettings, match=r"^STORAGE_HIGH_WATER_TEMP .*above storage\.quotas\.temp"):
        configured_policy(settings)


def test_a_tree_changes_what_it_names_and_nothing_else() -> None:
    base = configured(STORAGE_RETENTION_TEMP="5h", STORAGE_MINIMUM_RETENTION_FRAMES="1h")
    tree = {
        "storage": {
            "retention": {"frames": "5d", "outputs": 86400, "uploads": None},
            "minimum_retention": {"uploads": "1d"},
            "eviction_priority": {"outputs": 50},
            "cleanup": {"schedules": {"frames": "0  3 * * *"}, "batch_size": "of no matter"},
            "upload": None,
        },
        "archive": {"after_days": 40},
        "database": {"url": "of no matter"},
    }

    policy = policy_of_tree(tree, base)

    assert policy.of(Category.TEMP) == base.of(Category.TEMP)
    frames = replace(base.of(Category.FRAMES), lifetime=5 * DAY, schedule="0 3 * * *")
    assert policy.of(Category.FRAMES) == frames
    assert policy.of(Category.FRAMES).minimum == HOUR
    assert policy.of(Category.UPLOADS) == replace(base.of(Category.UPLOADS), lifetime=None, minimum=DAY)
    assert policy.of(Category.OUTPUTS).lifetime == DAY
    assert marks(policy, Category.OUTPUTS) == (100 * GIB, 90 * GIB)


def test_the_common_schedule_moves_every_category_without_its_own() -> None:
    base = configured(STORAGE_CLEANUP_SCHEDULE_OUTPUTS="5 5 * * *")
    tree = {"storage": {"cleanup": {"schedule": "0 4 * * *", "schedules": {"temp": None, "clips": "1 * * * *"}}}}

    policy = policy_of_tree(tree, base)

    assert {category.value: policy.of(category).schedule for category in Category} == {
        "uploads": "0 4 * * *",
        "frames": "0 4 * * *",
        "contact_sheets": "0 4 * * *",
        "temp": "0 4 * * *",
        "outputs": "5 5 * * *",
        "clips": "1 * * * *",
        "archives": "0 3 * * *",
    }
    unnamed = policy_of_tree({"storage": {"cleanup": {"schedules": {"temp": "none"}}}}, base)
    assert unnamed.of(Category.TEMP).schedule == NIGHTLY


@pytest.mark.parametrize(
    ("environ", "section", "category", "expected"),
    [
        ({}, {"quotas": {"frames": "10GiB"}}, Category.FRAMES, (10 * GIB, 9 * GIB)),
        ({}, {"quotas": {"frames": None}}, Category.FRAMES, (None, None)),
        ({}, {"high_water": {"frames": "10GiB"}}, Category.FRAMES, (10 * GIB, 9 * GIB)),
        ({}, {"low_water": {"frames": "10GiB"}}, Category.FRAMES, (50 * GIB, 10 * GIB)),
        ({}, {"eviction_priority": {"frames": "none"}}, Category.FRAMES, (None, None)),
        ({}, {"quotas": {"clips": "500MiB"}}, Category.CLIPS, (500 * MIB, 450 * MIB)),
        ({}, {"quotas": {"clips": "2GiB"}}, Category.CLIPS, (2 * GIB, 900 * MIB)),
        ({}, {"low_water": {"clips": None}}, Category.CLIPS, (GIB, GIB * 9 // 10)),
        ({"STORAGE_QUOTA_CLIPS": "500MiB"}, {"quotas": {"clips": "1GiB"}}, Category.CLIPS, (GIB, 900 * MIB)),
        ({"STORAGE_HIGH_WATER_TEMP": "1GiB"}, {"quotas": {"temp": "2GiB"}}, Category.TEMP, (GIB, GIB * 9 // 10)),
        ({"STORAGE_HIGH_WATER_TEMP": "1GiB"}, {"high_water": {"temp": None}}, Category.TEMP, (5 * GIB, 4831838208)),
        ({"STORAGE_LOW_WATER_TEMP": "1GiB"}, {"quotas": {"temp": "2GiB"}}, Category.TEMP, (2 * GIB, GIB)),
    ],
)
def test_marks_that_followed_go_on_following(
    environ: dict[str, str], section: dict[str, Any], category: Category, expected: tuple[int | None, int | None]
) -> None:
    policy = policy_of_tree({"storage": section}, configured(**environ))

    assert marks(policy, category) == expected


def test_a_mark_in_force_that_a_tree_contradicts_is_named() -> None:
    base = configured(STORAGE_LOW_WATER_FRAMES="40GiB", STORAGE_HIGH_WATER_TEMP="4GiB")

    lines = refusal({"storage": {"quotas": {"frames": "30GiB", "temp": "1GiB"}}}, base).splitlines()

    assert [line.partition("; allowed")[0] for line in lines] == [
        "storage.low_water.frames (policy in force) is '40.0 GiB': above the high mark of frames, which is 30.0 GiB",
        (
            "storage.high_water.temp (policy in force) is '4.0 GiB': above storage.quotas.temp, which is 1.0 GiB: "
            "uploads would be refused before pressure evicts anything"
        ),
    ]


def test_every_problem_of_a_tree_is_told_at_once() -> None:
    tree = {"storage": {"retention": {"frames": "5 parsecs", "tmp": "1d"}, "quotas": 5}, "strorage": 1, "a\n\udc80": 1}

    lines = refusal(tree).splitlines()

    assert [line.partition("; the nearest")[0].partition("; allowed")[0] for line in lines] == [
        "storage.retention.tmp (policy): unknown setting",
        "storage.quotas (policy): a section, not a value",
        "strorage (policy): unknown setting",
        r"'a\n\udc80' (policy): unknown setting",
        "storage.retention.frames (policy) is '5 parsecs': not a span of time",
    ]


def test_a_tree_of_thousands_of_unknown_names_is_refused_at_once() -> None:
    tree = {"storage": {f"x{number}": 1 for number in range(10_000)}, "y" * 1_000_000: 1}

    first, second = refusal(tree).splitlines()

    assert first == "storage (policy): more than 100 names"
    assert len(second) < 300


def test_what_is_no_tree_is_refused() -> None:
    assert refusal([1]) == "the tree (policy): a section, not a value"  # type: ignore[arg-type]


def test_a_policy_file_changes_what_it_names_and_tells_problems_by_line(tmp_path: Path) -> None:
    path, base = tmp_path / "new.yaml", configured()
    path.write_text("storage:\n  retention:\n    frames: 5d\n")

    policy = read_policy_file(path, base)

    assert policy.of(Category.FRAMES).lifetime == 5 * DAY
    path.write_text("storage:\n  retention:\n    frames: 5 parsecs\n")
    with pytest.raises(InvalidSettings) as caught:
        read_policy_file(path, base)
    assert str(caught.value).startswith(f"storage.retention.frames ({path}:3) is '5 parsecs': not a span of time;")
    with pytest.raises(InvalidSettings, match=r"^the policy is .*: No such file"):
        read_policy_file(tmp_path / "absent.yaml", base)


def test_an_empty_tree_is_the_policy_itself() -> None:
    base = configured(STORAGE_QUOTA_CLIPS="500MiB", STORAGE_HIGH_WATER_OUTPUTS="1GiB", STORAGE_LOW_WATER_TEMP="1GiB")

    assert policy_of_tree({}, base).version == base.version


@given(
    quota=st.none() | SIZES,
    high=st.none() | SIZES,
    low=st.none() | SIZES,
    priority=st.none() | st.integers(0, 100),
    category=st.sampled_from([Category.CLIPS, Category.FRAMES]),
)
def test_marks_are_refused_or_in_order_and_a_tree_says_what_settings_say(
    quota: int | None, high: int | None, low: int | None, priority: int | None, category: Category
) -> None:
    said = {"quotas": quota, "high_water": high, "low_water": low, "eviction_priority": priority}
    tree = {"storage": {section: {category.value: value} for section, value in said.items()}}
    try:
        policy = policy_of_tree(tree, configured())
    except InvalidSettings:
        with pytest.raises(InvalidSettings):
            load_settings(tree, environ={})
        return

    assert policy == configured_policy(load_settings(tree, environ={}).settings)
    assert policy_of_tree({}, policy) == policy
    above, below = marks(policy, category)
    assert (above is None) == (below is None)
    assert above is None or below is None or below <= above
    assert above is None or quota is None or above <= quota
