"""The file of settings that nobody names, as cleanup scripts keep it."""

from datetime import timedelta
from pathlib import Path

import pytest

from media_analysis.errors import InvalidSettings
from media_analysis.settings import CONFIG_VARIABLE, load_settings


@pytest.fixture
def found(tmp_path: Path) -> Path:
    """A file where cleanup scripts keep theirs, beside a data directory that need not be there yet."""
    path = tmp_path / "config" / "config.yaml"
    path.parent.mkdir()
    path.write_text("storage:\n  retention: {temp: 12h}\nmonitoring:\n  alert_threshold_percent: 15\n")
    return path


def test_a_file_beside_the_data_directory_is_found_unless_one_is_named(found: Path, tmp_path: Path) -> None:
    config = tmp_path / "retention.yaml"
    config.write_text("storage:\n  monitoring: {alert_threshold_percent: 20}\n")
    environ = {"MEDIA_ANALYSIS_DATA_DIR": str(tmp_path / "var")}

    unnamed = load_settings(environ=environ)
    by_option = load_settings({"data_dir": tmp_path / "var"}, environ={})
    named = load_settings(environ=environ | {CONFIG_VARIABLE: str(config)})
    elsewhere = load_settings(environ={"MEDIA_ANALYSIS_DATA_DIR": str(tmp_path / "other" / "var")})

    for loaded in (unnamed, by_option):
        assert loaded.found == found
        assert loaded.settings.storage.retention.temp == timedelta(hours=12)
        assert loaded.settings.storage.monitoring.alert_threshold_percent == 15
        assert loaded.origins["storage.retention.temp"] == f"file {found}"
    assert (named.found, named.settings.storage.monitoring.alert_threshold_percent) == (None, 20)
    assert (elsewhere.found, elsewhere.settings.storage.retention.temp) == (None, timedelta(days=1))


def test_a_setting_given_at_both_of_its_places_is_refused(found: Path, tmp_path: Path) -> None:
    text = "monitoring: {alert_threshold_percent: 15}\nstorage:\n  monitoring: {alert_threshold_percent: 20}\n"
    found.write_text(text)

    with pytest.raises(InvalidSettings, match=r"config.yaml:3.*given twice, also at .*config.yaml:1"):
        load_settings(environ={"MEDIA_ANALYSIS_DATA_DIR": str(tmp_path / "var")})
