"""Every setting has one path and one variable, and the variable reaches it."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest

from media_analysis.errors import InvalidSettings
from media_analysis.settings import Settings, environment_name, leaves, load_settings, variables
from media_analysis.settings.database_url import DatabaseUrl
from media_analysis.settings.kinds import (
    Choice,
    Days,
    Lifetime,
    OrNone,
    Percent,
    Seconds,
    SettingKind,
    Size,
    Span,
    Switch,
    Whole,
)
from media_analysis.settings.modes import Group, Mode
from media_analysis.settings.names import Leaf, value_at
from media_analysis.settings.policy_tests import PolicyTests
from media_analysis.settings.remote import StoreUrl
from media_analysis.settings.replica import Categories
from media_analysis.settings.texts import (
    Cron,
    DirectoryPath,
    Host,
    KindLimits,
    KindNames,
    MediaTypes,
    WebhookSecret,
    WebhookUrl,
)
from media_analysis.settings.web import Networks, Origins, RootPath
from media_analysis.storage.category import Category

NOT_ALONE = {
    "STORAGE_LOW_WATER_OUTPUTS",
    "STORAGE_LOW_WATER_ARCHIVES",
    "DATABASE_PASSWORD_FILE",
    "STORAGE_DOWNLOADS",
}
"""A low mark is of no use without a high one, a password without the URL it is for, a redirect without a bucket."""
PER_CATEGORY = (
    *("RETENTION", "MINIMUM_RETENTION", "QUOTA", "HIGH_WATER", "LOW_WATER", "EVICTION_PRIORITY", "ACCEPT"),
    *("BREAKER_SHARE_PERCENT", "CLEANUP_SCHEDULE", "OWNER_QUOTA"),
)
DOCUMENTED = [
    "MEDIA_ANALYSIS_DATA_DIR",
    "STORAGE_BASE_PATH",
    *(f"STORAGE_{what}_{category.name}" for what in PER_CATEGORY for category in Category),
    *(
        f"STORAGE_CLEANUP_{what}"
        for what in ("ENABLED", "DRY_RUN", "BATCH_SIZE", "SCHEDULE", "RUN_AT_START", "BUDGET_SECONDS")
    ),
    *(f"STORAGE_CLEANUP_{what}" for what in ("BUDGET_FILES", "BUDGET_BYTES", "WORKERS", "MAX_ATTEMPTS", "USE_TRASH")),
    *("STORAGE_CLEANUP_PLAN_LIFETIME", "STORAGE_PRESSURE_SCHEDULE", "STORAGE_POLICY_TESTS"),
    *(f"STORAGE_BREAKER_{what}" for what in ("MIN_FILES", "MEDIAN_FACTOR", "CLOCK_JUMP_SECONDS", "DOWNTIME_DAYS")),
    "STORAGE_BREAKER_EVICTION_SHARE_PERCENT",
    *(f"STORAGE_MONITORING_{what}" for what in ("RESERVE_BYTES", "ALERT_THRESHOLD_PERCENT", "METRICS_ENABLED")),
    *("STORAGE_DISK_HIGH_WATER_PERCENT", "STORAGE_DISK_LOW_WATER_PERCENT"),
    *(f"STORAGE_MONITORING_{what}" for what in ("WEBHOOK_URL", "WEBHOOK_SECRET", "WARN_BEFORE")),
    *(f"STORAGE_MODES_{what}" for what in ("ROOT", "DIRECTORIES", "FILES", "GROUP")),
    *(f"STORAGE_SCRUB_{what}" for what in ("SCHEDULE", "BYTES_PER_SECOND", "BUDGET_SECONDS")),
    *(f"STORAGE_UPLOAD_{what}" for what in ("MAX_BYTES", "LEASE_SECONDS", "IDLE_SECONDS")),
    *("STORAGE_UPLOAD_MIN_BYTES_PER_SECOND", "STORAGE_UPLOAD_DEADLINE_SECONDS", "STORAGE_UPLOAD_UNFINISHED_SECONDS"),
    *(f"STORAGE_RECORDS_{what}" for what in ("SCHEDULE", "TOMBSTONES", "AUDIT", "JOBS", "SWEEPS", "IDLE_SWEEPS")),
    *(f"STORAGE_RECORDS_{what}" for what in ("PURGES", "PLANS", "ARCHIVE_TASKS", "SESSIONS", "NOTICES", "PAUSES")),
    *(f"STORAGE_RECORDS_{what}" for what in ("SCRUBS", "LEDGER_DAYS", "QUARANTINE", "LINKS")),
    *(f"STORAGE_LINKS_{what}" for what in ("LONGEST", "MAX_PER_OWNER", "KEY_LIFETIME")),
    *("ARCHIVE_AFTER_DAYS", "DELETE_AFTER_DAYS", "ARCHIVE_COMPRESSION", "ARCHIVE_BASE_PATH", "DELETION_STRATEGY"),
    *(f"ARCHIVE_{what}" for what in ("ENABLED", "SCHEDULE", "CONCURRENCY", "RETRY_SECONDS")),
    *("ARCHIVE_BUDGET_SECONDS", "ARCHIVE_BUDGET_BYTES", "STORAGE_URL", "ARCHIVE_URL", "STORAGE_DOWNLOADS"),
    *(f"STORAGE_REPLICA_{what}" for what in ("URL", "CATEGORIES", "ALERT_LAG")),
    *(f"STORAGE_REMOTE_{what}_SECONDS" for what in ("CONNECT", "REQUEST", "TRANSFER", "RETRY")),
    *(f"STORAGE_REMOTE_{what}" for what in ("CONCURRENCY", "SCRATCH_PATH", "SCRATCH_BYTES", "ACCEPT_VERSIONS")),
    "TRASH_RETENTION",
    *(f"DATABASE_{what}" for what in ("URL", "PASSWORD_FILE", "POOL_MIN", "POOL_MAX", "DEADLINE_SECONDS")),
    *(f"DATABASE_{what}_TIMEOUT_SECONDS" for what in ("CONNECT", "COMMAND", "STATEMENT")),
    *(f"SERVER_MAX_{what}_PER_OWNER" for what in ("UPLOADS", "DOWNLOADS", "STREAMS")),
    *(
        "SERVER_HOST",
        "SERVER_PORT",
        "SERVER_PROCESSES",
        "SERVER_MAX_CONNECTIONS",
        "SERVER_ROOT_PATH",
        "SERVER_TRUSTED_PROXIES",
        "SERVER_ALLOWED_ORIGINS",
        "LOG_FORMAT",
        "LOG_LEVEL",
        "LOG_FILE",
    ),
    *(f"WORKER_{what}" for what in ("ENABLED", "CONCURRENCY", "CONCURRENCY_PER_KIND", "THREADS", "MEMORY_BYTES")),
    *(f"WORKER_{what}_SECONDS" for what in ("TIMEOUT", "HEARTBEAT", "LEASE", "RETRY", "GRACE")),
    *(f"WORKER_{what}" for what in ("MAX_ATTEMPTS", "MAX_PIXELS", "MAX_DURATION", "MAX_PRODUCT_BYTES", "PIN_LIMIT")),
    *("WORKER_MAX_WAITING_PER_OWNER", "EVENTS_KEEP", "EVENTS_MAX_ROWS", "STORAGE_RECORDS_WEBHOOK_DELIVERIES"),
    *(f"ANALYSIS_ON_UPLOAD_{category.name}" for category in Category),
    "STORAGE_RECORDS_UPLOAD_ANALYSES",
    *(f"WEBHOOKS_{what}" for what in ("ENABLED", "ALLOW_PRIVATE", "TIMEOUT_SECONDS", "RETRY_FOR", "DISABLE_AFTER")),
    *(f"WEBHOOKS_{what}" for what in ("SECRET_OVERLAP", "MAX_PER_OWNER", "MAX_WAITING", "MAX_KEPT")),
]


OTHERS: dict[type[SettingKind], str] = {
    Lifetime: "11h",
    Span: "11h",
    Size: "3MiB",
    Seconds: "8",
    Whole: "8",
    Days: "8",
    Percent: "49",
    Cron: "7 5 * * 1",
    KindLimits: "probe=4",
    KindNames: "preview,probe",
    MediaTypes: "image/*, video/mp4",
    Networks: "127.0.0.1, 10.0.0.0/8",
    Origins: "https://app.example.org",
    RootPath: "/media",
    DatabaseUrl: "postgresql://somebody:secret@db.example:5432/media",
    Host: "0.0.0.0",
    DirectoryPath: "/elsewhere",
    StoreUrl: "s3://bucket/prefix",
    Categories: "uploads,frames",
    Mode: "0710",
    Group: "0",
    WebhookSecret: "whsec_" + "c2Vj" * 8,
    WebhookUrl: "https://hooks.example/services/token",
    Switch: "true",
    PolicyTests: '[{"name": "x", "category": "temp", "age": "1h", "expect": "keep"}]',
}


def another(kind: SettingKind) -> str:
    """Return a text that is allowed and is no default of any setting of the kind."""
    if isinstance(kind, OrNone):
        return another(kind.kind)
    return kind.options[-1] if isinstance(kind, Choice) else OTHERS[type(kind)]


def changed(settings: Settings) -> set[str]:
    return {path for path in leaves() if value_at(settings, path) != value_at(Settings(), path)}


def test_the_documented_variables_are_the_known_ones() -> None:
    assert sorted(DOCUMENTED) == sorted(variables())


def test_a_variable_set_alone_changes_exactly_its_leaf() -> None:
    reached = {}
    for name in {*variables()} - NOT_ALONE:
        leaf = leaves()[variables()[name]]
        value = str(not leaf.default).lower() if isinstance(leaf.kind, Switch) else another(leaf.kind)
        if name.startswith("STORAGE_DISK_"):
            value = "88"
        if name.startswith("STORAGE_RECORDS_") and isinstance(leaf.kind, Lifetime):
            value = "500d"
        loaded = load_settings(environ={name: value})
        told = {at for at, origin in loaded.origins.items() if not origin.startswith("default")}
        reached[name] = (told, changed(loaded.settings))

    assert reached == {name: ({variables()[name]}, {variables()[name]}) for name in reached}


def test_a_shown_default_is_accepted_again() -> None:
    refused = {}
    for leaf in leaves().values():
        shown = as_typed(leaf)
        try:
            loaded = load_settings(environ={leaf.env: shown})
        except InvalidSettings as error:
            refused[leaf.env] = str(error)
        else:
            if not changed(loaded.settings) <= {"database.url"}:
                refused[leaf.env] = f"{shown} is another value"

    assert refused == {}


def as_typed(leaf: Leaf) -> str:
    """Return the default of a setting as somebody would copy it from what is shown."""
    shown = leaf.kind.show(leaf.default)
    kind = leaf.kind.kind if isinstance(leaf.kind, OrNone) else leaf.kind
    number = shown.rstrip("s%d") if isinstance(kind, Whole | Seconds) and shown != "none" else shown
    return {"everything": "", "embedded": "postgresql:///x"}.get(shown, number)


def test_a_setting_is_described_and_says_what_it_allows() -> None:
    silent = [path for path, leaf in leaves().items() if not (leaf.description.endswith(".") and leaf.kind.allowed)]

    assert silent == []


def test_names_follow_the_path_but_for_a_few_aliases() -> None:
    assert environment_name("storage.quotas.contact_sheets") == "STORAGE_QUOTA_CONTACT_SHEETS"
    assert environment_name("storage.cleanup.schedules.temp") == "STORAGE_CLEANUP_SCHEDULE_TEMP"
    assert environment_name("storage.upload.max_bytes") == "STORAGE_UPLOAD_MAX_BYTES"
    assert environment_name("archive.delete_after_days") == "DELETE_AFTER_DAYS"
    assert environment_name("deletion.trash_retention") == "TRASH_RETENTION"


@pytest.mark.parametrize("category", Category)
def test_every_category_has_a_lifetime_a_quota_a_schedule_and_media_types(category: Category) -> None:
    environ = {
        f"STORAGE_RETENTION_{category.name}": "11h",
        f"STORAGE_QUOTA_{category.name}": "3MiB",
        f"STORAGE_ACCEPT_{category.name}": "IMAGE/*",
        f"STORAGE_CLEANUP_SCHEDULE_{category.name}": "7 5 * * 1",
    }

    storage = load_settings(environ=environ).settings.storage

    assert storage.retention.of(category) == timedelta(hours=11)
    assert storage.quotas.of(category) == 3 * 2**20
    assert storage.accept.of(category) == ("image/*",)
    assert storage.cleanup.schedule_of(category) == "7 5 * * 1"


@pytest.mark.parametrize(
    "name", ["STORAGE_QUOTA_TMP", "ARCHIVE_AFTER", "DELETION_STRATEGIES", "TRASH_RETENTIONS", "MEDIA_ANALYSIS_DATADIR"]
)
def test_an_unknown_variable_of_ours_is_refused_with_the_nearest_name(name: str) -> None:
    near: Mapping[str, Any] = {
        "STORAGE_QUOTA_TMP": "STORAGE_QUOTA_TEMP",
        "ARCHIVE_AFTER": "ARCHIVE_AFTER_DAYS",
        "DELETION_STRATEGIES": "DELETION_STRATEGY",
        "TRASH_RETENTIONS": "TRASH_RETENTION",
        "MEDIA_ANALYSIS_DATADIR": "MEDIA_ANALYSIS_DATA_DIR",
    }

    with pytest.raises(InvalidSettings) as caught:
        load_settings(environ={name: "hush"})

    assert str(caught.value) == f"{name} (environment): unknown variable; the nearest known one is {near[name]}"


def test_variables_of_others_and_of_tests_are_left_alone() -> None:
    environ = {
        "PATH": "/bin",
        "SERVER_SOFTWARE": "x",
        "DATABASE_NAME": "x",
        "LOG_DIR": "",
        "MEDIA_ANALYSIS_TESTING": "1",
    }
    environ |= {"MEDIA_ANALYSIS_FAILPOINT": "a:1", "MEDIA_ANALYSIS_FAILPOINT_TRACE": "trace"}

    assert load_settings(environ=environ).settings == Settings()
