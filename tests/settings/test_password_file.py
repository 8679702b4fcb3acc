"""DATABASE_PASSWORD_FILE: the password in a file of its own, which nothing prints."""

from pathlib import Path

import pytest
from sqlalchemy import make_url

from media_analysis.errors import InvalidSettings, Misconfigured
from media_analysis.settings import effective, load_settings
from media_analysis.settings.postgres import configured_url

PASSWORD = "p@ss/wörd:%# 1"
URL = "postgresql://somebody@h1:5432,h2:5433/media?sslmode=prefer"


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    path = tmp_path / "password"
    path.write_text(f"{PASSWORD}\n")
    return path


def refusal(url: str | None, path: Path) -> str:
    given = {"DATABASE_URL": url} if url is not None else {}
    with pytest.raises(InvalidSettings) as caught:
        load_settings(environ=given | {"DATABASE_PASSWORD_FILE": str(path)})
    return str(caught.value)


def test_the_password_of_the_file_is_the_user_s(secret: Path) -> None:
    settings = load_settings(environ={"DATABASE_URL": URL, "DATABASE_PASSWORD_FILE": str(secret)}).settings

    url = configured_url(settings)

    assert url is not None
    before, _, behind = url.rpartition("@")
    assert make_url(f"{before}@host/media").password == PASSWORD
    assert behind == "h1:5432,h2:5433/media?sslmode=prefer"


def test_neither_a_listing_nor_a_printout_has_it(secret: Path) -> None:
    loaded = load_settings(environ={"DATABASE_URL": URL, "DATABASE_PASSWORD_FILE": str(secret)})

    printed = repr(effective(loaded)) + repr(loaded) + loaded.settings.model_dump_json()

    assert PASSWORD not in printed
    assert str(secret) in printed


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "the file is empty"),
        (b"\n", "the file is empty"),
        (b"one\ntwo\n", "the file has more than one line"),
        (b"a\0b", "characters that are not printed"),
        (b"\xff", "the file is not UTF-8"),
        (b"x" * 4097, "the file is longer than 4096 bytes"),
    ],
)
def test_a_file_that_is_no_password_is_refused(secret: Path, content: bytes, reason: str) -> None:
    secret.write_bytes(content)

    line = refusal(URL, secret)

    assert line.startswith(f"DATABASE_PASSWORD_FILE (environment) is {str(secret)!r}"[:60])
    assert reason in line
    assert line.endswith("; allowed: a path; -1 or none")


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    assert "no file that is there" in refusal(URL, tmp_path / "missing")
    assert "no file that is there" in refusal(URL, tmp_path)


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        (None, "there is no DATABASE_URL that it is for"),
        ("postgresql://db/media", "DATABASE_URL names no user before @"),
        ("postgresql://somebody:hunter2@db/media", "DATABASE_URL tells a password itself"),
        ("postgresql://somebody@db/media?password=hunter2", "DATABASE_URL tells a password itself"),
        ("postgresql://somebody@db/media?passfile=/pgpass", "DATABASE_URL tells a password itself"),
    ],
)
def test_a_url_it_does_not_fit_is_refused(secret: Path, url: str | None, reason: str) -> None:
    line = refusal(url, secret)

    assert reason in line
    assert "hunter2" not in line


def test_a_file_that_went_since_is_told_in_words(secret: Path) -> None:
    settings = load_settings(environ={"DATABASE_URL": URL, "DATABASE_PASSWORD_FILE": str(secret)}).settings
    secret.unlink()

    with pytest.raises(Misconfigured, match=r"DATABASE_PASSWORD_FILE is '.*': no file that is there"):
        configured_url(settings)
