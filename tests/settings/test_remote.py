"""Addresses of buckets that are refused: by which name, and without what may be a password."""

import pytest

from media_analysis.errors import InvalidSettings
from media_analysis.settings import load_settings


@pytest.mark.parametrize("url", ["s3://key:hidden@bucket/media", "https://key:hidden@host/bucket"])
def test_an_address_of_a_bucket_that_is_refused_keeps_its_password_to_itself(url: str) -> None:
    with pytest.raises(InvalidSettings, match=r"STORAGE_URL \(environment\) is .*the address of a bucket") as refused:
        load_settings(environ={"STORAGE_URL": url})

    assert "hidden" not in str(refused.value)


def test_archives_in_the_place_of_the_store_are_refused_by_the_name_that_put_them_there() -> None:
    with pytest.raises(InvalidSettings, match="leave ARCHIVE_URL out"):
        load_settings(environ={"STORAGE_URL": "s3://media/a", "ARCHIVE_URL": "s3://media/a/"})


@pytest.mark.parametrize("environ", [{}, {"STORAGE_URL": "file:///srv/media", "ARCHIVE_URL": "s3://media/archives"}])
def test_a_disk_redirects_nobody(environ: dict[str, str]) -> None:
    with pytest.raises(InvalidSettings, match=r"STORAGE_DOWNLOADS .* only a bucket sends files itself"):
        load_settings(environ={"STORAGE_DOWNLOADS": "redirect"} | environ)


def test_a_bucket_redirects_where_that_is_wanted() -> None:
    chosen = load_settings(environ={"STORAGE_DOWNLOADS": "redirect", "STORAGE_URL": "s3://media"}).settings

    assert (chosen.storage.downloads, load_settings(environ={}).settings.storage.downloads) == ("redirect", "proxy")


@pytest.mark.parametrize("url", ["file:///a/../b", "file:///a/%2E%2E/b", "file:////a", "file:///a//b", "file:///a/./b"])
def test_a_directory_that_is_not_written_as_it_is_called_is_refused(url: str) -> None:
    """Two stores are told apart by what they are called, and what lies around a link is elsewhere."""
    with pytest.raises(InvalidSettings, match=r"STORAGE_URL .* without \. or \.\. and with single slashes"):
        load_settings(environ={"STORAGE_URL": url})


def test_a_directory_may_end_with_a_slash() -> None:
    chosen = load_settings(environ={"STORAGE_URL": "file:///srv/media/"}).settings

    assert str(chosen.storage.url) == "/srv/media"


@pytest.mark.parametrize("name", ["AWS_ACCESS_KEY_ID", "AZURE_STORAGE_ACCOUNT_NAME", "GOOGLE_SERVICE_ACCOUNT"])
def test_credentials_of_a_bucket_for_archives_alone_are_no_misspelt_settings(name: str) -> None:
    environ = {"ARCHIVE_URL": "s3://cold/media", f"ARCHIVE_{name}": "hush"}

    assert str(load_settings(environ=environ).settings.archive.url) == "s3://cold/media"
