"""`upload`: files of a folder, over lines that break and commands that end, each once."""

import hashlib
import json
import os
import random
import signal
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from media_analysis.client import Client
from tests.acceptance.service import wait_until
from tests.cli.commands import READY_SECONDS, Serving, run_program, running
from tests.cli.remote.conftest import Person
from tests.client.line import line_to

LARGE = random.Random(21).randbytes(4_000_000)


def tree(folder: Path, count: int = 5) -> list[Path]:
    """Make a folder of small files and a large one in another."""
    (folder / "sub").mkdir(parents=True)
    paths = [folder / f"{number}.txt" for number in range(count)]
    for number, path in enumerate(paths):
        path.write_text(f"file {number}")
    (folder / "sub" / "large.bin").write_bytes(LARGE)
    return [*paths, folder / "sub" / "large.bin"]


def require_each_once(client: Client, paths: list[Path]) -> None:
    stored = Counter((file.filename, file.sha256) for file in client.files(state="stored"))
    assert stored == Counter((path.name, hashlib.sha256(path.read_bytes()).hexdigest()) for path in paths)


def test_a_folder_is_uploaded_and_what_is_no_file_is_named_and_left_out(
    person: Person, client: Client, tmp_path: Path
) -> None:
    paths = tree(tmp_path / "tree")
    (tmp_path / "tree" / "link").symlink_to(paths[0])
    os.mkfifo(tmp_path / "tree" / "pipe")
    (tmp_path / "tree" / "\x1b[2Jred").write_text("x")
    wishes = ("--label", "event:evt42", "--label", "camera:north", "--ttl", "2h", "--category", "temp")

    folder = person.types("upload", tmp_path / "tree")
    told = person.types("upload", "-r", tmp_path / "tree", tmp_path / "nothing", paths[0], *wishes)

    assert (folder.returncode, folder.stdout) == (1, "")
    assert "tree: is a folder; --recursive takes all files in it" in folder.stderr
    assert told.returncode == 1
    for reason in (
        "link: is a link",
        "pipe: is no plain file",
        "nothing: is not there",
        "\\u001b[2Jred: The req",
    ):
        assert reason in told.stderr
    assert "\x1b" not in told.stderr + told.stdout
    assert "6 stored, 4 failed" in told.stderr
    require_each_once(client, paths)
    files = list(client.files(labels={"event": "evt42", "camera": "north"}, category="temp"))
    assert sorted(str(file.id) for file in files) == sorted(line.split()[0] for line in told.stdout.splitlines())
    assert all(file.expires_at and file.expires_at - file.created_at < timedelta(hours=3) for file in files)


def test_what_is_known_is_not_sent_again_and_each_file_has_a_line_of_json(
    person: Person, client: Client, tmp_path: Path
) -> None:
    paths = tree(tmp_path / "tree", 3)
    first = person.types("upload", "-r", tmp_path / "tree", "--json")
    (tmp_path / "tree" / "new.txt").write_text("new")

    with line_to(person.server.url) as line:
        again = person.types("upload", "-r", tmp_path / "tree", "--skip-known", "--json", MEDIA_ANALYSIS_URL=line.url)

    assert (first.returncode, again.returncode) == (0, 0), first.stderr + again.stderr
    told = [json.loads(printed) for printed in first.stdout.splitlines()]
    assert {(one["status"], one["file"]["filename"]) for one in told} == {("stored", path.name) for path in paths}
    assert Counter(json.loads(printed)["status"] for printed in again.stdout.splitlines()) == {"known": 4, "stored": 1}
    assert line.up_bytes < 10_000
    require_each_once(client, [*paths, tmp_path / "tree" / "new.txt"])
    assert person.files() == [], "nothing is kept of what is over"


@contextmanager
def stopped_half_way(
    person: Person, url: str, arguments: tuple[str | Path, ...], number: signal.Signals, tmp_path: Path
) -> Iterator[Serving]:
    """Run a command until its line stands still, and end it there."""
    environment = person.environment | {"MEDIA_ANALYSIS_URL": url}
    with running(*arguments, printed=tmp_path / "printed", **environment) as command:
        yield command
        command.process.send_signal(number)
        command.process.wait(READY_SECONDS)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL], ids=lambda number: number.name)
def test_an_upload_that_was_ended_goes_on_when_it_is_typed_again(
    person: Person, client: Client, tmp_path: Path, number: signal.Signals
) -> None:
    paths = tree(tmp_path / "tree", 20)
    arguments = ("upload", "-r", tmp_path / "tree")

    with line_to(person.server.url) as line:
        line.stalls_at = 2_000_000
        with stopped_half_way(person, line.url, arguments, number, tmp_path) as command:
            command.wait_for(r"(?s)(\.txt.*){20}")
            twice = person.types(*arguments, MEDIA_ANALYSIS_URL=line.url)
            wait_until(lambda: line.stalls(line.most_bytes), "the line to stand still")
        line.stalls_at = None
        again = person.types(*arguments, MEDIA_ANALYSIS_URL=line.url)

    assert command.process.poll() == (130 if number is signal.SIGINT else -number)
    if number is signal.SIGINT:
        assert "20 stored\n· 1 are left; the same command goes on there, within 24 hours\n" in command.output
    assert (twice.returncode, "the same upload is under way in another terminal" in twice.stderr) == (1, True)
    assert again.returncode == 0, again.stderr
    assert "1 stored, 20 had come before" in again.stderr
    require_each_once(client, paths)
    assert person.files() == []


def test_what_had_come_and_is_gone_comes_again(person: Person, client: Client, tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("some bytes")
    arguments = ("upload", path, tmp_path / "nothing")
    first = person.types(*arguments).stdout.split()[0]
    client.delete_file(first)

    again = person.types(*arguments)

    assert "1 stored, 1 failed" in again.stderr
    assert again.stdout.split()[0] != first
    require_each_once(client, [path])


def test_a_full_quota_ends_it_and_says_what_is_left(person: Person, tmp_path: Path) -> None:
    paths = tree(tmp_path / "tree", 3)

    told = person.types("upload", "--category", "outputs", "--jobs", "1", paths[-1], *paths[:-1])

    assert (told.returncode, told.stdout) == (5, "")
    assert "4 are left; the same command goes on there, within 24 hours" in told.stderr


def test_a_token_that_is_not_taken_ends_it_with_a_code_of_its_own(person: Person, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("some bytes")

    refused = person.types("upload", tmp_path / "a.txt", MEDIA_ANALYSIS_TOKEN="mas_wrong")

    assert refused.returncode == 3
    assert "does not take the token" in refused.stderr


def test_a_bar_with_rate_and_rest_is_shown_in_a_terminal_only(person: Person, tmp_path: Path) -> None:
    paths = tree(tmp_path / "tree", 1)

    plain = person.types("upload", *paths)
    shown = person.types("upload", *paths, FORCE_COLOR="1", COLUMNS="120", TERM="xterm-256color")

    assert "\x1b" not in plain.stdout + plain.stderr
    assert "uploading" in shown.stderr
    assert "\x1b" not in shown.stdout
    assert [line.split("  ")[1] for line in shown.stdout.splitlines()] != []


def test_a_home_that_cannot_be_written_is_said_so(person: Person, client: Client, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("x")
    (tmp_path / "no folder").write_text("")

    refused = person.types("upload", tmp_path / "a.txt", XDG_STATE_HOME=str(tmp_path / "no folder"))
    unkept = person.types("login", person.server.url, XDG_CONFIG_HOME=str(tmp_path / "no folder"))

    assert (refused.returncode, unkept.returncode) == (1, 1)
    assert "nothing can be noted in " in refused.stderr
    assert "the login cannot be kept in " in unkept.stderr
    assert list(client.files()) == []


def test_a_reader_of_its_output_that_leaves_ends_no_upload(person: Person, client: Client, tmp_path: Path) -> None:
    paths = tree(tmp_path / "tree", 20)
    command = f"{sys.executable} -m media_analysis upload -r {tmp_path / 'tree'} | head -1"

    shown = run_program("bash", "-c", f"{command}; exit ${{PIPESTATUS[0]}}", environment=person.environment)

    assert (shown.returncode, shown.stdout.count("\n")) == (0, 1), shown.stderr
    require_each_once(client, paths)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--label", "evt42"), "'evt42' is not a label such as event:evt42"),
        (("--label", "a:1", "--label", "a:2"), "a is given twice"),
        (("--ttl", "30"), "'30' is not a span"),
    ],
)
def test_a_wish_that_makes_no_sense_is_refused_before_anything_is_sent(
    person: Person, client: Client, tmp_path: Path, arguments: tuple[str, ...], said: str
) -> None:
    (tmp_path / "a.txt").write_text("x")

    refused = person.types("upload", tmp_path / "a.txt", *arguments)

    assert (refused.returncode, refused.stdout) == (1, "")
    assert said in refused.stderr
    assert list(client.files()) == []
