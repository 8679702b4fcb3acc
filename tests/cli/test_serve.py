"""`serve` on a directory of its own: set up at first, found again later, gone when it ends."""

import json
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.commands import READY_SECONDS, Serving, home_of_a_service, run, serving
from tests.cli.conftest import CONTENT, FirstLife, postgres_runs


def test_the_first_start_says_what_it_does_and_where_everything_is(first_life: FirstLife) -> None:
    told = [
        "creating the database cluster",
        "starting PostgreSQL",
        "migrating the database",
        f"ready at {first_life.url}",
        f"admin token in {first_life.data_dir}/admin-token",
        "stopping PostgreSQL",
    ]

    positions = [first_life.output.find(sentence) for sentence in told]

    assert -1 not in positions
    assert positions == sorted(positions)


def test_the_admin_token_is_private_and_its_session_is_an_administrators(first_life: FirstLife) -> None:
    about = first_life.caller.json()

    assert first_life.token_mode == 0o600
    assert first_life.token.startswith("mas_")
    assert first_life.caller.status_code == 200
    assert (about["owner"], about["role"]) == ("admin", "admin")


def test_interrupting_stops_everything_it_started(first_life: FirstLife) -> None:
    assert first_life.exit_code == 0
    assert not first_life.postgres_left
    assert "Traceback" not in first_life.output


def test_no_secret_is_ever_printed(first_life: FirstLife) -> None:
    password = (first_life.data_dir / "postgres" / "password").read_text()

    assert first_life.token not in first_life.output
    assert password not in first_life.output


def test_every_log_line_is_json_and_those_of_a_request_carry_its_id(first_life: FirstLife) -> None:
    lines = [json.loads(line) for line in first_life.output.splitlines() if line.startswith("{")]

    ended = {line["request_id"] for line in lines if line["event"] == "request.ended"}
    assert {"level", "timestamp"} <= set.intersection(*(set(line) for line in lines))
    assert ended == {answer.headers["x-request-id"] for answer in (first_life.caller, first_life.stored)}


@pytest.fixture(scope="module")
def second_life(first_life: FirstLife, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Serving, Path]]:
    printed = tmp_path_factory.mktemp("serve") / "printed"
    with (
        home_of_a_service(first_life.data_dir) as data_dir,
        serving("--data-dir", data_dir, printed=printed) as service,
    ):
        service.url()
        yield service, data_dir


def test_a_second_start_finds_the_files_and_the_same_token(
    first_life: FirstLife, second_life: tuple[Serving, Path]
) -> None:
    service, data_dir = second_life

    content = service.request("GET", f"{first_life.stored.headers['location']}/content", token=first_life.token)

    assert (data_dir / "admin-token").read_text().strip() == first_life.token
    assert (content.status_code, content.content) == (200, CONTENT)
    assert "creating the database cluster" not in service.output


def test_another_serve_on_the_same_directory_is_refused(second_life: tuple[Serving, Path]) -> None:
    service, data_dir = second_life

    refused = run("serve", "--port", "0", "--data-dir", data_dir)

    assert refused.returncode == 1
    assert f"already served by process {service.process.pid}" in refused.stderr
    assert "Traceback" not in refused.stderr
    assert service.request("GET", "/readyz", token="unused").status_code == 200


def test_a_session_made_while_it_serves_is_good_at_once(second_life: tuple[Serving, Path]) -> None:
    service, data_dir = second_life

    made = run("session", "create", "--owner", "alice", "--role", "user", "--ttl", "30d", "--data-dir", data_dir)
    caller = service.request("GET", "/api/v1/sessions/me", token=made.stdout.strip())

    assert made.returncode == 0
    assert made.stdout.count("\n") == 1
    assert made.stdout.strip() not in made.stderr
    assert (caller.json()["owner"], caller.json()["role"]) == ("alice", "user")


@pytest.mark.crash
def test_after_a_kill_the_next_start_finds_everything_and_sigterm_stops_it(
    first_life: FirstLife, data_dir: Path, tmp_path: Path
) -> None:
    with serving("--data-dir", data_dir, printed=tmp_path / "killed") as killed:
        late = killed.request(
            "POST", "/api/v1/files?category=clips&filename=late.txt", token=first_life.token, content=b"late"
        )
        killed.end(signal.SIGKILL)
    outlived = postgres_runs(data_dir)

    with serving("--data-dir", data_dir, printed=tmp_path / "next") as service:
        found = [
            service.request("GET", f"{answer.headers['location']}/content", token=first_life.token).content
            for answer in (first_life.stored, late)
        ]
        exit_code = service.end(signal.SIGTERM)

    assert outlived
    assert found == [CONTENT, b"late"]
    assert exit_code == 0
    assert not postgres_runs(data_dir)


@pytest.mark.crash
@pytest.mark.parametrize(("number", "exit_code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_while_it_sets_up_leaves_nothing_running(
    tmp_path: Path, number: signal.Signals, exit_code: int
) -> None:
    with home_of_a_service() as data_dir, serving("--data-dir", data_dir, printed=tmp_path / "printed") as service:
        service.wait_for("starting PostgreSQL")
        ended_with = service.end(number)
        left = postgres_runs(data_dir)
        output = service.output

    assert ended_with == exit_code
    assert not left
    assert "Traceback" not in output


@pytest.mark.crash
def test_a_postgresql_that_dies_is_started_again_and_the_service_goes_on(
    first_life: FirstLife, data_dir: Path, tmp_path: Path
) -> None:
    with serving("--data-dir", data_dir, printed=tmp_path / "printed") as service:
        service.url()
        os.kill(int((data_dir / "postgres/data/postmaster.pid").read_text().split()[0]), signal.SIGKILL)
        service.wait_for(r"ended unexpectedly; starting it again[^$]*starting PostgreSQL")
        answers = [service.request("GET", "/api/v1/sessions/me", token=first_life.token)]
        deadline = time.monotonic() + READY_SECONDS
        while answers[-1].status_code != 200 and time.monotonic() < deadline:
            answers.append(service.request("GET", "/api/v1/sessions/me", token=first_life.token))
        exit_code = service.end(signal.SIGINT)

    assert {answer.status_code for answer in answers} <= {200, 503}
    assert answers[-1].status_code == 200
    assert exit_code == 0
