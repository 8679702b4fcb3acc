"""`ls`, `download` and `rm`: what a server has, here, and not there any more."""

import json
import os
import pty
import select
from pathlib import Path

from media_analysis.client import Client
from tests import processes
from tests.cli.commands import SCREEN, clean
from tests.cli.remote.conftest import Person

HOSTILE = "../a\u202egnp.exe"


def test_files_are_listed_by_what_is_asked_for(person: Person, client: Client) -> None:
    made = [client.upload(b"x", filename=f"{number}.txt", labels={"event": "evt42"}) for number in range(3)]
    other = client.upload(b"x", filename="other.txt", category="temp")

    plain = person.types("ls", "--label", "event:evt42", "--limit", "2")
    ending = person.types("ls", "--expiring-before", "2100-01-01", "--json")
    temp = person.types("ls", "--category", "temp", "--json")

    assert plain.stdout.splitlines()[0].split() == ["file", "category", "created", "name", "bytes", "expires"]
    assert [line.split()[0] for line in plain.stdout.splitlines()[1:]] == [str(made[2].id), str(made[1].id)]
    assert "there are more; 2 are shown" in plain.stderr
    assert json.loads(ending.stdout)[0]["id"] == str(other.id)
    assert [file["filename"] for file in json.loads(temp.stdout)] == ["other.txt"]


def test_a_hostile_name_steers_neither_terminal_nor_folder(person: Person, client: Client, tmp_path: Path) -> None:
    file = client.upload(b"some bytes", filename=HOSTILE)
    (tmp_path / "down").mkdir()

    shown = person.types("ls", **SCREEN)
    fetched = person.types("download", file.id.hex[-12:], "-o", tmp_path / "down", **SCREEN)

    assert "\u202e" not in shown.stdout + fetched.stdout + fetched.stderr
    assert "\\u202egnp.exe" in "".join(shown.stdout.split())
    assert fetched.returncode == 0, fetched.stderr
    assert [path.name for path in (tmp_path / "down").iterdir()] == ["_._a_gnp.exe"]
    assert not list(tmp_path.glob("a*"))


def test_files_come_under_their_names_once_and_are_not_replaced(person: Person, client: Client, tmp_path: Path) -> None:
    files = [client.upload(b"%d" % number, filename="a.txt", labels={"event": "evt42"}) for number in range(2)]
    down = tmp_path / "down"
    down.mkdir()

    first = person.types("download", "--label", "event:evt42", "-o", down)
    again = person.types("download", "--label", "event:evt42", "-o", down, "--json")
    (down / "a.txt").write_text("mine")
    kept = person.types("download", "--label", "event:evt42", "-o", down)
    mine = (down / "a.txt").read_text()
    forced = person.types("download", str(files[0].id), "-o", down / "a.txt", "--force")
    folder = person.types("download", "--label", "event:evt42", "-o", tmp_path / "nowhere")

    assert (first.returncode, again.returncode) == (0, 0), first.stderr
    assert {json.loads(line)["status"] for line in again.stdout.splitlines()} == {"written"}
    assert sorted(path.name for path in down.iterdir()) == sorted(["a.txt", f"{files[0].id.hex[-12:]}-a.txt"])
    assert (kept.returncode, mine) == (1, "mine")
    assert "is there already, and is another file" in kept.stderr
    assert (forced.returncode, (down / "a.txt").read_text()) == (0, "0")
    assert "is no folder, and 2 files are to go there" in folder.stderr


def test_what_is_not_there_or_gone_has_a_code_of_its_own(person: Person, client: Client, tmp_path: Path) -> None:
    file = client.upload(b"some bytes", filename="a.txt")

    deleted = person.types("rm", str(file.id), "--reason", "not needed")
    codes = [
        person.types(command, file_id).returncode
        for command in ("rm", "download")
        for file_id in (str(file.id), "00000000-0000-7000-8000-000000000000", "abcdef")
    ]

    assert (deleted.returncode, deleted.stdout) == (0, f"deleted {file.id}\n")
    assert codes == [4] * 6
    assert person.types("rm").returncode == 2
    assert person.types("download", str(file.id), "--label", "a").returncode == 2


def test_many_files_are_deleted_only_if_that_is_meant(person: Person, client: Client) -> None:
    made = [client.upload(b"x", filename=f"{number}.txt") for number in range(3)]
    ids = [str(file.id) for file in made]

    asked, rehearsed = person.types("rm", *ids), person.types("rm", *ids, "--dry-run")
    there = list(client.files())
    partly = person.types("rm", ids[0], "00000000-0000-7000-8000-000000000000", "--yes", "--json")
    deleted = person.types("rm", *ids[1:], "--yes")

    assert (asked.returncode, asked.stdout) == (1, "")
    assert "--yes: has to be given" in asked.stderr
    assert (rehearsed.returncode, len(there)) == (0, 3)
    assert (partly.returncode, deleted.returncode) == (1, 0)
    assert json.loads(partly.stdout.splitlines()[0])["file_id"] == ids[0]
    assert json.loads(partly.stdout.splitlines()[1])["error"]["code"] == "file_not_found"
    assert list(client.files(state="stored")) == []


def test_what_a_filter_names_is_counted_first_and_an_unusual_share_wants_its_number(
    person: Person, client: Client
) -> None:
    for number in range(12):
        client.upload(b"x", filename=f"{number}.txt", category="contact_sheets", labels={"event": "evt43"})
    chosen = ("rm", "--label", "event:evt43", "--owner", person.server.owner)

    counted = person.types(*chosen, "--dry-run", "--json")
    unsaid, yes = person.types(*chosen), person.types(*chosen, "--yes")
    wrong = person.types(*chosen, "--confirm", "11")
    there = len(list(client.files()))
    deleted = person.types(*chosen, "--confirm", "12")

    assert json.loads(counted.stdout)["needs"] == 12
    for refused in (unsaid, yes):
        assert refused.returncode == 1
        assert "would delete an unusual share; --confirm 12 says it is meant" in refused.stderr
    assert "11 is not the number that would go; nothing was deleted" in wrong.stderr
    assert there == 12
    assert (deleted.returncode, "deleted 12 files" in deleted.stdout) == (0, True), deleted.stderr
    assert "restorable until" in deleted.stderr


def test_in_a_terminal_the_number_is_asked_for(person: Person, client: Client) -> None:
    for number in range(12):
        client.upload(b"x", filename=f"{number}.txt", category="archives", labels={"event": "evt44"})
    ours, theirs = pty.openpty()
    environment = clean(person.environment | SCREEN)
    arguments = ("rm", "--label", "event:evt44")
    with processes.start(*arguments, environment=environment, stdin=theirs, stdout=theirs, stderr=theirs) as command:
        shown = b""
        while b"Type how many go" not in shown:
            shown += os.read(ours, 4_096)
        os.write(ours, b"12\n")
        while command.poll() is None:
            if select.select([ours], [], [], 0.05)[0]:
                shown += os.read(ours, 4_096)
    os.close(theirs)
    os.close(ours)

    assert command.poll() == 0, shown.decode()
    assert list(client.files(state="stored")) == []
