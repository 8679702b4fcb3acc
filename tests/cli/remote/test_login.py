"""Signing in: the token is kept where only its owner reads it, told nobody, and sent nowhere else."""

import json
import os
import stat
from pathlib import Path

import pytest

from media_analysis.cli.console import err
from media_analysis.cli.remote import warn_of_plain
from tests import processes
from tests.cli.commands import clean
from tests.cli.remote.conftest import Person


def kept_by(person: Person) -> Path:
    return person.home / "config" / "media-analysis" / "login.json"


def signed_in(person: Person) -> dict[str, str]:
    """Return the environment of a shell in which nothing is set, after a login."""
    assert person.types("login", person.server.url).returncode == 0
    return {"MEDIA_ANALYSIS_URL": "", "MEDIA_ANALYSIS_TOKEN": ""}


def test_a_login_is_kept_for_its_user_alone_until_they_sign_out(person: Person) -> None:
    kept = person.types("login", person.server.url)
    mode, folder = (stat.S_IMODE(path.stat().st_mode) for path in (kept_by(person), kept_by(person).parent))
    unset = {"MEDIA_ANALYSIS_URL": "", "MEDIA_ANALYSIS_TOKEN": ""}
    listed = person.types("ls", **unset)
    left, again = person.types("logout", **unset), person.types("logout", **unset)
    refused = person.types("ls", **unset)

    assert kept.stdout.startswith(f"signed in at {person.server.url} as {person.server.owner} (user), until 20")
    assert person.server.token not in kept.stdout + kept.stderr
    assert (mode, folder) == (0o600, 0o700)
    assert (listed.returncode, listed.stdout) == (
        0,
        "there is no file that fits; media-analysis upload PATH brings one\n",
    )
    assert (left.stdout, again.stdout) == ("signed out\n", "nobody was signed in\n")
    assert (refused.returncode, refused.stdout) == (3, "")
    assert refused.stderr == "media-analysis: no server is known: media-analysis login URL, or set MEDIA_ANALYSIS_URL\n"


def test_a_token_comes_from_a_pipe(person: Person, tmp_path: Path) -> None:
    (tmp_path / "token").write_text(f"{person.server.token}\n")

    with (tmp_path / "token").open("rb") as token:
        kept = processes.run(
            *("login", person.server.url),
            environment=clean(person.environment | {"MEDIA_ANALYSIS_TOKEN": ""}),
            stdin=token,
        )

    assert kept.returncode == 0, kept.stderr
    assert json.loads(kept_by(person).read_text()) == {"url": person.server.url, "token": person.server.token}


def test_a_token_that_is_not_taken_is_not_kept_and_not_told(person: Person) -> None:
    refused = person.types("login", person.server.url, MEDIA_ANALYSIS_TOKEN="mas_not-this-one")

    assert (refused.returncode, refused.stdout) == (3, "")
    assert f"{person.server.url} does not take the token: " in refused.stderr
    assert "mas_not-this-one" not in refused.stderr
    assert not kept_by(person).exists()


def test_a_login_that_others_can_read_is_not_used(person: Person) -> None:
    environment = signed_in(person)
    kept_by(person).chmod(0o644)

    refused = person.types("ls", **environment)

    assert refused.returncode == 1
    assert "can be read by others; set its mode to 0600 or remove it" in refused.stderr


def test_a_login_that_is_no_file_keeps_nobody_waiting(person: Person) -> None:
    environment = signed_in(person)
    kept_by(person).unlink()
    os.mkfifo(kept_by(person), 0o600)

    refused = person.types("ls", **environment)

    assert refused.returncode == 1
    assert "holds no login" in refused.stderr


@pytest.mark.parametrize(
    ("environment", "code", "said"),
    [
        ({"MEDIA_ANALYSIS_URL": ""}, 2, "MEDIA_ANALYSIS_TOKEN is set without MEDIA_ANALYSIS_URL"),
        ({"MEDIA_ANALYSIS_TOKEN": ""}, 3, "there is no token for http://127.0.0.1:"),
        ({"MEDIA_ANALYSIS_TOKEN": "mas_wrong"}, 3, "does not take the token"),
        ({"MEDIA_ANALYSIS_URL": "127.0.0.1:8000"}, 2, "must begin with http:// or https://"),
        ({"MEDIA_ANALYSIS_URL": "http://me:secret@127.0.0.1"}, 2, "without a name, a password"),
        ({"MEDIA_ANALYSIS_URL": "http://127.0.0.1:1"}, 6, "the server cannot be reached"),
        ({"MEDIA_ANALYSIS_URL": "http://a..b"}, 2, "the server's address is none"),
        ({"MEDIA_ANALYSIS_URL": "http://127.0.0.1:1/\x01"}, 2, "must be an address alone"),
        ({"MEDIA_ANALYSIS_URL": "http://127.0.0.1:1?"}, 2, "must be an address alone"),
    ],
)
def test_who_is_not_signed_in_is_told_so_by_a_sentence_and_a_code(
    person: Person, environment: dict[str, str], code: int, said: str
) -> None:
    refused = person.types("ls", **environment)

    assert (refused.returncode, refused.stdout) == (code, "")
    assert said in refused.stderr
    assert not any(secret in refused.stderr for secret in (person.server.token, "secret@", "mas_wrong"))


@pytest.mark.parametrize(
    ("url", "warned"),
    [
        ("http://127.0.0.1:8000", False),
        ("http://localhost:8000", False),
        ("http://[::1]:8000", False),
        ("https://media.example", False),
        ("http://media.example", True),
        ("http://192.0.2.7:8000", True),
    ],
)
def test_a_token_that_goes_to_another_machine_in_clear_is_warned_of(
    url: str, *, warned: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    monkeypatch.setattr(err, "print", lambda text, **_: said.append(str(text)))

    warn_of_plain(url)

    assert [f"{url} is not encrypted" in sentence for sentence in said] == [True] * warned


def test_where_a_server_is_and_by_which_token_are_no_settings(person: Person) -> None:
    told = person.types("config", MEDIA_ANALYSIS_DATA_DIR=str(person.home))

    assert told.returncode == 0, told.stderr
    assert person.server.token not in told.stdout
