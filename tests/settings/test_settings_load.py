"""Where values come from, which one wins, and what an operator is shown."""

from datetime import timedelta
from pathlib import Path

import pytest
from pydantic import ValidationError

from media_analysis.errors import InvalidSettings
from media_analysis.settings import CONFIG_VARIABLE, Settings, effective, load_settings
from media_analysis.settings.sources import read_tree
from media_analysis.storage.category import Category
from media_analysis.storage.places import Places

PASSWORD = "hunter2"
URL = f"postgresql+asyncpg://somebody:{PASSWORD}@db.example:5432/media?application_name=x"


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "retention.yaml"
    path.write_text(
        "storage:\n"
        "  retention: {temp: 12h, uploads: 86400, outputs: indefinite}\n"
        "  quotas:\n"
        "    temp: 1GiB\n"
        "    clips: null\n"
        "  accept: {uploads: [image/*, Video/MP4]}\n"
        "  cleanup:\n"
        "  monitoring: {alert_threshold_percent: 20}\n"
        "server: {port: 9000}\n"
    )
    return path


def test_the_defaults_are_the_ones_of_the_design() -> None:
    settings = load_settings(environ={}).settings

    assert settings == Settings()
    assert settings.store_path == Path(__file__).parents[2] / "var/store"
    assert settings.storage.retention.of(Category.UPLOADS) == timedelta(days=7)
    assert settings.storage.retention.of(Category.OUTPUTS) is None
    assert settings.storage.quotas.of(Category.CLIPS) == 2**30
    assert settings.storage.quotas.of(Category.ARCHIVES) is None
    assert settings.storage.cleanup.schedule_of(Category.TEMP) == "0 * * * *"
    assert settings.storage.cleanup.schedule_of(Category.FRAMES) == "0 2 * * *"
    assert settings.database.url is None


def test_a_file_gives_the_same_tree(config: Path) -> None:
    settings = load_settings(environ={}, config=config).settings

    assert settings.storage.retention.temp == timedelta(hours=12)
    assert settings.storage.retention.uploads == timedelta(days=1)
    assert settings.storage.quotas.temp == 2**30
    assert settings.storage.quotas.clips is None
    assert settings.storage.accept.uploads == ("image/*", "video/mp4")
    assert settings.storage.cleanup == Settings().storage.cleanup
    assert settings.server.port == 9000


def test_the_command_line_beats_the_environment_which_beats_the_file(config: Path) -> None:
    environ = {"SERVER_PORT": "9001", "STORAGE_QUOTA_TEMP": "2GiB", CONFIG_VARIABLE: str(config)}

    loaded = load_settings({"server": {"port": 9002}}, environ=environ)

    assert loaded.settings.server.port == 9002
    assert loaded.settings.storage.quotas.temp == 2 * 2**30
    assert loaded.settings.storage.retention.temp == timedelta(hours=12)
    assert loaded.origins["server.port"] == "command line"
    assert loaded.origins["storage.quotas.temp"] == "environment STORAGE_QUOTA_TEMP"
    assert loaded.origins["storage.retention.temp"] == f"file {config}"
    assert loaded.origins["server.host"] == "default"


def test_the_config_argument_beats_the_variable(config: Path) -> None:
    loaded = load_settings(environ={CONFIG_VARIABLE: "/no/such/file"}, config=config)

    assert loaded.settings.server.port == 9000


def test_without_an_environ_argument_the_process_environment_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SERVER_PORT", "9003")

    assert load_settings().settings.server.port == 9003
    assert Settings().server.port == 8000


def test_an_empty_file_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "empty.yaml"
    path.write_text("# nothing yet\n")

    assert load_settings(environ={}, config=path).settings == Settings()


def test_the_store_moves_with_the_data_directory_until_it_has_a_place_of_its_own() -> None:
    moved = load_settings(environ={"MEDIA_ANALYSIS_DATA_DIR": "/srv"}).settings
    placed = load_settings(environ={"MEDIA_ANALYSIS_DATA_DIR": "/srv", "STORAGE_BASE_PATH": "/mnt/media"}).settings

    assert moved.store_path == Path("/srv/store")
    assert placed.store_path == Path("/mnt/media")


def test_archives_lie_in_the_store_until_they_have_a_place_of_their_own(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "disk")
    environ = {"STORAGE_BASE_PATH": str(tmp_path / "store")}

    together = load_settings(environ=environ).settings
    apart = load_settings(environ={**environ, "ARCHIVE_BASE_PATH": str(tmp_path / "link")}).settings

    assert together.sites.places == Places(tmp_path / "store")
    assert apart.sites.places == Places(tmp_path / "store", tmp_path / "disk")


def test_archiving_is_scheduled_and_bounded() -> None:
    environ = {"ARCHIVE_SCHEDULE": "30  1 * * 0", "ARCHIVE_CONCURRENCY": "4", "ARCHIVE_BUDGET_BYTES": "20GiB"}
    environ |= {"ARCHIVE_BUDGET_SECONDS": "none", "ARCHIVE_ENABLED": "off", "ARCHIVE_RETRY_SECONDS": "0.5"}

    archive = load_settings(environ=environ).settings.archive
    usual = Settings().archive

    assert (archive.enabled, archive.schedule, archive.concurrency) == (False, "30 1 * * 0", 4)
    assert (archive.budget_bytes, archive.budget_seconds, archive.retry_seconds) == (20 * 2**30, None, 0.5)
    assert (usual.enabled, usual.schedule, usual.concurrency) == (True, "0 2 * * *", 2)
    assert (usual.budget_bytes, usual.budget_seconds, usual.retry_seconds) == (None, 3600, 1)


def test_a_tilde_is_the_home_directory() -> None:
    assert load_settings({"data_dir": "~/media"}, environ={}).settings.data_dir == Path.home() / "media"


@pytest.mark.parametrize("value", ["-1", "none", "None"])
def test_no_quota_can_be_said_in_the_environment(value: str) -> None:
    assert load_settings(environ={"STORAGE_QUOTA_TEMP": value}).settings.storage.quotas.temp is None


def test_an_empty_accept_variable_takes_everything(tmp_path: Path) -> None:
    path = tmp_path / "accept.yaml"
    path.write_text("storage: {accept: {uploads: [image/png]}}")

    loaded = load_settings(environ={"STORAGE_ACCEPT_UPLOADS": ""}, config=path)

    assert loaded.settings.storage.accept.of(Category.UPLOADS) == ()
    assert loaded.origins["storage.accept.uploads"] == "environment STORAGE_ACCEPT_UPLOADS"


def test_settings_cannot_be_changed_or_extended() -> None:
    settings = Settings()

    with pytest.raises(ValidationError):
        settings.server.port = 1  # type: ignore[misc]
    with pytest.raises(ValidationError):
        settings.data_dir = Path()  # type: ignore[misc]
    with pytest.raises(ValidationError):
        Settings.model_validate({"surplus": 1})


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+asyncpg"])
def test_every_spelling_of_a_postgresql_url_is_taken_as_it_is(scheme: str) -> None:
    url = load_settings(environ={"DATABASE_URL": f"{scheme}://u:p%40ss@h:5432/db"}).settings.database.url

    assert url is not None
    assert url.get_secret_value() == f"{scheme}://u:p%40ss@h:5432/db"


def test_a_listing_shows_values_with_units_origins_and_variables() -> None:
    environ = {"STORAGE_QUOTA_TEMP": "1536MiB", "STORAGE_RETENTION_CLIPS": "5400", "LOG_LEVEL": "debug"}

    rows = {row.path: row for row in effective(load_settings(environ=environ))}

    quota = rows["storage.quotas.temp"]
    assert (quota.value, quota.text, quota.origin) == (1536 * 2**20, "1.5 GiB", "environment STORAGE_QUOTA_TEMP")
    assert rows["storage.retention.clips"].text == "90m"
    assert rows["storage.retention.outputs"].text == "indefinite"
    assert rows["storage.accept.temp"].text == "everything"
    assert rows["storage.upload.idle_seconds"].text == "30s"
    assert rows["logging.level"].text == "DEBUG"
    assert rows["database.url"].text == "embedded"
    assert rows["archive.delete_after_days"].env == "DELETE_AFTER_DAYS"


def test_a_listing_and_every_printout_mask_the_database_password() -> None:
    loaded = load_settings(environ={"DATABASE_URL": URL})

    (row,) = (row for row in effective(loaded) if row.path == "database.url")

    assert row.text == "postgresql+asyncpg://somebody:***@db.example:5432/media"
    assert PASSWORD not in repr(effective(loaded)) + repr(loaded) + str(loaded.settings)
    assert PASSWORD not in loaded.settings.model_dump_json()


def test_a_listing_and_every_printout_mask_the_webhook_s_token() -> None:
    url = f"https://somebody:{PASSWORD}@hooks.example:8443/{PASSWORD}?token={PASSWORD}"

    loaded = load_settings(environ={"STORAGE_MONITORING_WEBHOOK_URL": url})

    (row,) = (row for row in effective(loaded) if row.path == "storage.monitoring.webhook_url")
    webhook_url = loaded.settings.storage.monitoring.webhook_url
    assert webhook_url is not None
    assert webhook_url.get_secret_value() == url
    assert (row.value, row.text) == ("https://hooks.example:8443/***", "https://hooks.example:8443/***")
    assert PASSWORD not in repr(effective(loaded)) + repr(loaded) + loaded.settings.model_dump_json()


@pytest.mark.parametrize(("high", "low_water"), [(100, 85), (90, 85), (86, 85), (85, 80), (50, 45)])
def test_the_low_mark_of_the_disk_gives_way_to_a_lower_high_one(high: int, low_water: int) -> None:
    environ = {"STORAGE_DISK_HIGH_WATER_PERCENT": str(high)}

    disk = load_settings(environ=environ).settings.storage.disk

    assert disk.low_percent == low_water
    assert disk.low_water_percent == 85


def test_the_words_of_our_users_files_are_known_and_mean_what_they_say(tmp_path: Path) -> None:
    """Ten percent is what is free when somebody should be told; nothing is evicted for it."""
    path = tmp_path / "config.yaml"
    path.write_text(
        "storage:\n"
        "  retention: {contact-sheets: 5d}\n"
        "  monitoring: {alert_threshold_percent: 10, log_level: DEBUG, metrics_enabled: false}\n"
    )

    settings = load_settings(environ={}, config=path).settings

    assert settings.storage.monitoring.alert_threshold_percent == 10
    assert (settings.storage.disk.high_water_percent, settings.storage.disk.low_percent) == (90, 85)
    assert settings.logging.level == "DEBUG"
    assert settings.storage.monitoring.metrics_enabled is False
    assert settings.storage.retention.contact_sheets == timedelta(days=5)


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("storage: {retention: {contact-sheets: 5d, contact_sheets: 9d}}", "storage.retention.contact_sheets"),
        ("storage: {monitoring: {log_level: DEBUG}}\nlogging: {level: INFO}", "logging.level"),
    ],
)
def test_a_wish_given_by_two_of_its_names_is_refused(tmp_path: Path, text: str, path: str) -> None:
    config = tmp_path / "config.yaml"
    config.write_text(text)

    with pytest.raises(InvalidSettings, match=rf"{path} .*given twice"):
        load_settings(environ={}, config=config)


@pytest.mark.parametrize("mode", [440, 640, 0o600, 0o700])
def test_a_mode_without_quotes_is_refused_unless_it_is_the_default(tmp_path: Path, mode: int) -> None:
    config = tmp_path / "config.yaml"
    config.write_text(f"storage: {{modes: {{files: {mode}}}}}")

    with pytest.raises(InvalidSettings, match=r"storage\.modes\.files.*not in quotes.*in quotes"):
        load_settings(environ={}, config=config)


def test_an_old_name_is_refused_with_the_new_one(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text("storage: {monitoring: {low_water_percent: 85}}")

    with pytest.raises(InvalidSettings, match=r"is called storage\.disk\.low_water_percent now"):
        load_settings(environ={}, config=path)
    with pytest.raises(InvalidSettings, match="is called STORAGE_DISK_LOW_WATER_PERCENT now"):
        load_settings(environ={"STORAGE_MONITORING_LOW_WATER_PERCENT": "85"})


def test_the_trash_is_on_for_a_day_and_can_be_timed() -> None:
    environ = {"DELETION_STRATEGY": "SOFT", "TRASH_RETENTION": "7d", "STORAGE_CLEANUP_USE_TRASH": "on"}

    settings = load_settings(environ=environ).settings

    assert (settings.deletion.strategy, settings.deletion.trash_retention) == ("soft", timedelta(days=7))
    assert settings.storage.cleanup.use_trash
    assert (Settings().deletion.strategy, Settings().deletion.trash_retention) == ("soft", timedelta(hours=24))


def test_over_http_a_wish_is_not_given_by_two_of_its_names_either() -> None:
    reading = read_tree({"storage": {"quotas": {"contact-sheets": "5GiB", "contact_sheets": "9GiB"}}}, place="policy")

    assert reading.problems == ["storage.quotas.contact_sheets (policy): given twice"]
