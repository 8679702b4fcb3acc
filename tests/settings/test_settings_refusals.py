"""A bad value stops the start and says which, where, what and what is allowed."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from media_analysis.errors import InvalidSettings
from media_analysis.settings import CONFIG_VARIABLE, load_settings, variables
from media_analysis.settings.names import leaves
from media_analysis.settings.texts import MediaTypes

PASSWORD = "hunter2"


def refusal(
    overrides: dict[str, Any] | None = None,
    *,
    config: Path | None = None,
    environ: Mapping[str, str] | None = None,
    **more: str,
) -> str:
    with pytest.raises(InvalidSettings) as caught:
        load_settings(overrides, environ={**(environ or {}), **more}, config=config)
    assert caught.value.__context__ is None
    return str(caught.value)


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return tmp_path / "retention.yaml"


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("STORAGE_RETENTION_TEMP", "-5", "not a span of time"),
        ("STORAGE_RETENTION_TEMP", "nan", "not a span of time"),
        ("STORAGE_RETENTION_TEMP", "101000d", "100 years"),
        ("STORAGE_RETENTION_TEMP", "0", "from 1s"),
        ("STORAGE_QUOTA_TEMP", "lots", "not a size"),
        ("STORAGE_QUOTA_TEMP", "4EiB", "2**60"),
        ("STORAGE_UPLOAD_MAX_BYTES", "0", "too small"),
        ("STORAGE_ACCEPT_UPLOADS", "image", "not media types"),
        ("STORAGE_ACCEPT_UPLOADS", "image/*,", "not media types"),
        ("STORAGE_CLEANUP_ENABLED", "perhaps", "neither on nor off"),
        ("STORAGE_CLEANUP_BATCH_SIZE", "0", "out of range"),
        ("STORAGE_CLEANUP_BATCH_SIZE", "10001", "out of range"),
        ("STORAGE_CLEANUP_BATCH_SIZE", "1e3", "not a whole number"),
        ("STORAGE_CLEANUP_WORKERS", "9", "out of range"),
        ("STORAGE_CLEANUP_SCHEDULE", "0 2 * *", "4 fields"),
        ("STORAGE_CLEANUP_SCHEDULE_TEMP", "0 25 * * *", "hour 25"),
        ("STORAGE_CLEANUP_BUDGET_SECONDS", "inf", "not a number of seconds"),
        ("STORAGE_CLEANUP_USE_TRASH", "maybe", "neither on nor off"),
        ("STORAGE_CLEANUP_PLAN_LIFETIME", "none", "not a span of time"),
        ("STORAGE_MINIMUM_RETENTION_TEMP", "indefinite", "not a span of time"),
        ("STORAGE_HIGH_WATER_TEMP", "brim", "not a size"),
        ("STORAGE_EVICTION_PRIORITY_TEMP", "101", "out of range"),
        ("STORAGE_BREAKER_SHARE_PERCENT_TEMP", "0", "out of range"),
        ("STORAGE_BREAKER_MEDIAN_FACTOR", "0", "out of range"),
        ("STORAGE_BREAKER_CLOCK_JUMP_SECONDS", "none", "not a number of seconds"),
        ("STORAGE_BREAKER_DOWNTIME_DAYS", "0", "out of range"),
        ("STORAGE_PRESSURE_SCHEDULE", "none", "1 fields"),
        ("STORAGE_SCRUB_SCHEDULE", "weekly", "1 fields"),
        ("STORAGE_SCRUB_BYTES_PER_SECOND", "0", "too small"),
        ("STORAGE_POLICY_TESTS", "{", "neither a list nor JSON"),
        ("STORAGE_POLICY_TESTS", "{}", "not a list of tests"),
        ("STORAGE_DISK_LOW_WATER_PERCENT", "90", "not below storage.disk.high_water_percent"),
        ("STORAGE_DISK_HIGH_WATER_PERCENT", "49", "out of range"),
        ("STORAGE_UPLOAD_LEASE_SECONDS", "4", "out of range"),
        ("STORAGE_UPLOAD_LEASE_SECONDS", "3601", "out of range"),
        ("STORAGE_MONITORING_ALERT_THRESHOLD_PERCENT", "51", "storage.disk.high_water_percent"),
        ("ARCHIVE_COMPRESSION", "rar", "not one of the choices"),
        ("ARCHIVE_ENABLED", "perhaps", "neither on nor off"),
        ("ARCHIVE_SCHEDULE", "nightly", "1 fields"),
        ("ARCHIVE_SCHEDULE", "none", "1 fields"),
        ("ARCHIVE_CONCURRENCY", "0", "out of range"),
        ("ARCHIVE_CONCURRENCY", "65", "out of range"),
        ("ARCHIVE_BUDGET_BYTES", "0", "too small"),
        ("ARCHIVE_BUDGET_BYTES", "much", "not a size"),
        ("ARCHIVE_BUDGET_SECONDS", "0.5", "out of range"),
        ("DELETION_STRATEGY", "gentle", "not one of the choices"),
        ("TRASH_RETENTION", "0", "from 1s"),
        ("SERVER_PORT", "65536", "out of range"),
        ("SERVER_HOST", "a host", "not a host"),
        ("LOG_LEVEL", "loud", "not one of the choices"),
        ("STORAGE_BASE_PATH", "~nobody-of-that-name/x", "no such home directory"),
    ],
)
def test_a_bad_variable_is_named_quoted_and_told_what_is_allowed(name: str, value: str, reason: str) -> None:
    line = refusal(environ={name: value})

    assert line.startswith(f"{name} (environment) is {value!r}: ")
    assert reason in line
    assert line.endswith(f"; allowed: {leaves()[variables()[name]].kind.allowed}")
    assert "\n" not in line


def test_an_empty_variable_is_refused_unless_it_means_everything() -> None:
    everything = {leaf.env for leaf in leaves().values() if isinstance(leaf.kind, MediaTypes)}
    for name in everything:
        load_settings(environ={name: " "})

    answers = {name: refusal(environ={name: " "}) for name in {*variables(), CONFIG_VARIABLE} - everything}

    assert everything
    assert {
        name: line for name, line in answers.items() if not line.startswith(f"{name} (environment) is empty; allowed: ")
    } == {}


def test_archives_are_not_deleted_before_they_are_made() -> None:
    line = refusal(ARCHIVE_AFTER_DAYS="40")

    assert line.startswith("DELETE_AFTER_DAYS (default) is 30: less than archive.after_days, which is 40; allowed: ")
    assert load_settings(environ={"ARCHIVE_AFTER_DAYS": "30"}).settings.archive.after_days == 30


@pytest.mark.parametrize(
    ("store", "archives", "reason"),
    [
        ("store", "store", "the store itself; leave ARCHIVE_BASE_PATH out for that"),
        ("store", "store/packs/..", "the store itself"),
        ("store", "store/archives", "inside the store, which is '{}/store'"),
        ("disk/store", "disk", "the store, which is '{}/disk/store', lies inside it"),
        ("store", "link", "the store itself"),
        ("store", "loop", "its links, or those of the store, lead nowhere"),
    ],
)
def test_archives_have_a_place_apart_from_the_store_or_none(
    tmp_path: Path, store: str, archives: str, reason: str
) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "store")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")

    line = refusal(STORAGE_BASE_PATH=str(tmp_path / store), ARCHIVE_BASE_PATH=str(tmp_path / archives))

    assert line.startswith("ARCHIVE_BASE_PATH (environment) is ")  # long values are cut
    assert f": {reason.format(tmp_path)}" in line
    assert line.endswith("; allowed: a path; -1 or none")
    assert "\n" not in line


def test_a_place_in_the_way_of_the_default_store_is_named_with_its_line(config: Path, tmp_path: Path) -> None:
    config.write_text(f"archive:\n  base_path: {tmp_path}\n")

    line = refusal(config=config, MEDIA_ANALYSIS_DATA_DIR=str(tmp_path / "var"))

    assert line.startswith(f"archive.base_path ({config}:2) is '{tmp_path}': the store, which is ")


def test_the_pool_is_not_smaller_than_its_minimum() -> None:
    assert "less than database.pool_min, which is 30" in refusal(DATABASE_POOL_MIN="30")


def test_every_problem_is_told_at_once_one_a_line(config: Path) -> None:
    config.write_text("server:\n  prot: 1\n  host: ''\n")

    lines = refusal({"logging": {"level": 5}}, config=config, STORAGE_QUOTA_TEMP="x", ARCHIVE_X="1", SERVER_PORT="")

    assert [line.split(" ")[0] for line in sorted(lines.splitlines())] == [
        "ARCHIVE_X",
        "SERVER_PORT",
        "STORAGE_QUOTA_TEMP",
        "logging.level",
        "server.host",
        "server.prot",
    ]


@pytest.mark.parametrize("value", [True, 8000.5, float("nan"), None, "x", [1], {"x": 1}])
def test_a_number_on_the_command_line_must_be_one(value: object) -> None:
    line = refusal({"server": {"port": value}})

    assert line.startswith(f"server.port (command line) is {value!r}: not a whole number; allowed: ")


def test_an_unknown_key_on_the_command_line_is_refused() -> None:
    line = refusal({"storage": {"quotas": {"tmp": 1}}})

    assert line.startswith(
        "storage.quotas.tmp (command line): unknown setting; the nearest known one is storage.quotas."
    )


def test_a_section_on_the_command_line_takes_no_value() -> None:
    assert refusal({"storage": {"quotas": 5}}) == "storage.quotas (command line): a section, not a value"


def test_a_long_value_is_quoted_in_part() -> None:
    assert len(refusal(SERVER_HOST="x" * 10_000)) < 300


def test_a_bad_value_in_a_file_is_named_with_its_line(config: Path) -> None:
    config.write_text("storage:\n  quotas:\n    temp: 1GiB\n    clips: 12 parsecs\n")

    line = refusal(config=config)

    assert line.startswith(f"storage.quotas.clips ({config}:4) is '12 parsecs': not a size; allowed: ")


def test_an_unknown_key_in_a_file_is_named_with_its_line_and_the_nearest_one(config: Path) -> None:
    config.write_text("storage:\n  retention:\n    upload: 7d\n")

    line = refusal(config=config)

    nearest = "storage.retention.uploads"
    assert line == f"storage.retention.upload ({config}:3): unknown setting; the nearest known one is {nearest}"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("storage: 5", "storage ({}:1): a section, not a value"),
        ("- storage", "the file ({}:1): a section, not a value"),
        ("server: {port: 1, port: 2}", "server.port ({}:1): given twice"),
        ("server:\n  port: [", "{}:2: not valid YAML"),
        ("storage:\n  cleanup:\n    schedule: */15 * * * *", "{}:3: not valid YAML"),
        ("a: 1\n---\nb: 2", "{}:2: not valid YAML"),
        ("server: {port: yes}", "server.port ({}:1) is True: not a whole number"),
        ("data_dir: {a: &a [*a]}", "data_dir ({}:1)"),
    ],
)
def test_a_file_that_is_no_tree_of_settings_is_refused(config: Path, text: str, reason: str) -> None:
    config.write_text(text)

    assert refusal(config=config).startswith(reason.format(config))


def test_a_value_that_yaml_takes_for_an_impossible_date_stays_text(config: Path) -> None:
    config.write_text("server: {host: 2026-02-31}")

    assert load_settings(environ={}, config=config).settings.server.host == "2026-02-31"


def test_a_file_that_cannot_be_read_is_refused_by_the_name_that_asked_for_it(config: Path, tmp_path: Path) -> None:
    config.write_bytes(b"\xff\xfe")
    absent = tmp_path / "absent.yaml"

    assert refusal(environ={CONFIG_VARIABLE: str(absent)}).startswith(
        f"{CONFIG_VARIABLE} (environment) is '{absent}': No such"
    )
    assert refusal(config=tmp_path).startswith("--config (command line) is ")
    assert "not UTF-8" in refusal(config=config)


@pytest.mark.parametrize(
    "url",
    [
        f"mysql://u:{PASSWORD}@h/db",
        f"postgresql://u:{PASSWORD}@h:port/db",
        f"postgresql://u:12/{PASSWORD}@h/db",
        f"postgresql://u:1?{PASSWORD}@h/db",
        f"postgresql://u:1#{PASSWORD}@h/db",
        f"postgresql://u:{PASSWORD}@[h/db",
        f"postgresql://u:{PASSWORD}@\u2100/db",
        f"postgresql://u:{PASSWORD}\n@h/db",
        f"postgresql:{PASSWORD}",
        PASSWORD,
    ],
)
def test_a_refused_database_url_never_shows_its_password(url: str, config: Path) -> None:
    config.write_text(yaml.safe_dump({"database": {"url": url}}))

    messages = [refusal(DATABASE_URL=url), refusal({"database": {"url": url}}), refusal(config=config)]
    messages.append(refusal(DATABASE_URL=f"postgresql://u:{PASSWORD}@h/db", SERVER_PORT="x"))
    messages.append(refusal({"database": url}))

    assert PASSWORD not in "".join(messages)
    assert messages[0].startswith("DATABASE_URL (environment) is **********: not a PostgreSQL URL; allowed: ")


@pytest.mark.parametrize(
    "url",
    [
        f"ftp://h/{PASSWORD}",
        f"https:///{PASSWORD}",
        f"https://h:port/{PASSWORD}",
        f"https://u:1/{PASSWORD}@h/x",
        f"https://u:1#{PASSWORD}@h/x",
        f"https://h/{PASSWORD} x",
        f"https://[h/{PASSWORD}",
        PASSWORD,
    ],
)
def test_a_refused_webhook_never_shows_its_token(url: str) -> None:
    line = refusal(STORAGE_MONITORING_WEBHOOK_URL=url)

    assert PASSWORD not in line
    assert line.startswith("STORAGE_MONITORING_WEBHOOK_URL (environment) is **********: not a web address; allowed: ")


def test_broken_yaml_never_shows_its_text(config: Path) -> None:
    config.write_text(f"database:\n  url: *{PASSWORD}\n")

    assert PASSWORD not in refusal(config=config)
