"""Jobs of a server from another machine, and the rule by which a command knows where it acts."""

import json
import signal
from pathlib import Path

import pytest

from media_analysis.cli import job_desk
from media_analysis.cli.exits import CommandRefused
from media_analysis.cli.job_desk import server_for_jobs
from media_analysis.cli.remote import Server, write_login
from media_analysis.client import Client
from tests.cli.commands import running
from tests.cli.remote.conftest import Person

FILM = Path(__file__).parents[3] / "examples" / "a-day-at-sea.mp4"
LOGIN = Server("http://127.0.0.1:7", "mas_kept", is_login=True)


def test_a_job_is_made_watched_read_and_deleted_from_another_machine(person: Person, client: Client) -> None:
    source = client.upload(FILM)

    made = person.types("job", "create", "frames", "--source", source.id.hex[-12:], "--parameters", '{"count": 2}')
    job = made.stdout.strip()
    watched = person.types("watch", job[-12:])
    shown = person.types("job", "show", job)
    listed = json.loads(person.types("job", "list", "--json").stdout)
    files = json.loads(person.types("job", "files", job, "--category", "frames", "--json").stdout)
    results = json.loads(person.types("job", "results", job).stdout)
    again = person.types("job", "retry", job)
    deleted = person.types("job", "delete", job)
    gone = person.types("job", "watch", job)

    assert made.returncode == 0, made.stderr
    assert f"on {person.server.url}; --local is for the database of this machine" in made.stderr
    assert (watched.returncode, "completed: " in watched.stdout) == (0, True), watched.stderr
    assert f"job        {job}, frames of {person.server.owner}" in shown.stdout
    assert [each["id"] for each in listed] == [job]
    assert (len(files), [result["kind"] for result in results]) == (2, ["frames"])
    assert (again.returncode, "only a failed job can be tried again" in again.stderr) == (1, True)
    assert "restorable until 20" in deleted.stdout
    assert f"POST {person.server.url}/api/v1/jobs/{job}/restore" in deleted.stdout
    assert gone.returncode == 4


def test_jobs_that_wait_are_cancelled_and_what_a_server_does_not_do_is_refused(person: Person, client: Client) -> None:
    waiting = [client.create_job("external", parameters={"analyser": "nobody"}) for _ in range(3)]

    one = person.types("job", "cancel", str(waiting[0].id))
    all_others = person.types("job", "cancel", "--all-pending", "--owner", person.server.owner, "--yes")
    foreign = person.types("job", "create", "probe", "--owner", "bob")

    assert one.stdout == f"cancelled {waiting[0].id}\n"
    assert all_others.stdout == "cancelled 2 jobs\n", all_others.stderr
    assert {job.status for job in client.jobs()} == {"cancelled"}
    assert (foreign.returncode, "--local makes them for others" in foreign.stderr) == (1, True)


def test_what_happens_is_shown_until_it_is_ended(person: Person, client: Client, tmp_path: Path) -> None:
    before = client.upload(b"x", filename="before.txt")

    with (
        running("watch", "--after", "0", printed=tmp_path / "plain", **person.environment) as plain,
        running(
            "watch", "--type", "file.*", "--json", "--after", "0", printed=tmp_path / "json", **person.environment
        ) as lines,
    ):
        plain.wait_for("before.txt")
        lines.wait_for("before.txt")
        file = client.upload(b"some bytes", filename="a\u202egnp.exe")
        plain.wait_for(rf"file.stored +{file.id}  a.u202egnp.exe 10 B")
        lines.wait_for(rf'"file_id": "{file.id}"')
        codes = [command.end(signal.SIGINT) for command in (plain, lines)]
    told = [json.loads(line) for line in lines.output.splitlines()]

    assert [(one["event"], one["file_id"]) for one in told] == [
        ("file.stored", str(before.id)),
        ("file.stored", str(file.id)),
    ]
    assert codes == [130, 130]
    assert "\u202e" not in plain.output
    assert person.types("watch", str(file.id), "--type", "file.*").returncode == 2


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[str]:
    """A person who is signed in, and what they are told."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    write_login(LOGIN)
    sentences: list[str] = []
    monkeypatch.setattr(job_desk, "report", sentences.append)
    return sentences


URL = {"MEDIA_ANALYSIS_URL": "http://127.0.0.1:8", "MEDIA_ANALYSIS_TOKEN": "mas_named"}


@pytest.mark.parametrize(
    ("environ", "is_local", "where", "told"),
    [
        ({}, False, LOGIN.url, [f"on {LOGIN.url}; --local is for the database of this machine"]),
        ({}, True, None, []),
        (URL, False, "http://127.0.0.1:8", ["on http://127.0.0.1:8; --local is for the database of this machine"]),
        (URL, True, None, []),
        (
            {"DATABASE_URL": "postgresql://a"},
            False,
            None,
            [f"on the database of this machine, as DATABASE_URL says, not on {LOGIN.url}"],
        ),
        (URL | {"DATABASE_URL": "postgresql://a"}, True, None, []),
    ],
)
def test_a_command_acts_where_it_is_told_and_says_where_that_may_be_a_surprise(
    said: list[str], environ: dict[str, str], *, is_local: bool, where: str | None, told: list[str]
) -> None:
    server = server_for_jobs(is_local=is_local, environ=environ)

    assert (None if server is None else server.url) == where
    assert said == told


@pytest.mark.parametrize("here", ["DATABASE_URL", "MEDIA_ANALYSIS_DATA_DIR", "MEDIA_ANALYSIS_CONFIG"])
@pytest.mark.usefixtures("said")
def test_an_environment_that_names_both_is_acted_on_nowhere(here: str) -> None:
    with pytest.raises(CommandRefused, match=f"names a server and {here} this machine") as refused:
        server_for_jobs(is_local=False, environ=URL | {here: "x"})

    assert refused.value.exit_code == 2
