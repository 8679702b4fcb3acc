"""How long records are kept: never shorter than somebody still needs them."""

import pytest

from media_analysis.errors import InvalidSettings
from media_analysis.settings import load_settings


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("STORAGE_RECORDS_AUDIT", "399d", "shorter than storage.records.tombstones, which is 400d"),
        ("STORAGE_RECORDS_JOBS", "30d", "shorter than storage.records.tombstones, which is 400d"),
        ("STORAGE_RECORDS_SWEEPS", "30d", "shorter than 90d, for which it is still needed"),
        ("STORAGE_RECORDS_TOMBSTONES", "23h", "shorter than 1d, for which it is still needed"),
        ("STORAGE_RECORDS_LEDGER_DAYS", "28d", "shorter than 29d, for which it is still needed"),
    ],
)
def test_a_life_shorter_than_a_record_is_needed_is_refused(name: str, value: str, reason: str) -> None:
    with pytest.raises(InvalidSettings) as refused:
        load_settings(environ={name: value})

    assert str(refused.value).startswith(f"{name} (environment) is '{value}': {reason}")


@pytest.mark.parametrize("tombstones", ["800d", "indefinite"])
def test_what_tombstones_name_is_kept_as_long_as_they_are(tombstones: str) -> None:
    records = load_settings(environ={"STORAGE_RECORDS_TOMBSTONES": tombstones}).settings.storage.records

    lives = {records.life_of(name) for name in ("tombstones", "audit", "jobs", "sweeps")}

    assert lives == {records.tombstones}
