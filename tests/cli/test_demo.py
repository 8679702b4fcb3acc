"""`demo`: a video's whole life, shown to somebody who has nothing but the command; nothing of it stays."""

import re
import signal
import socket
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import pytest
from PIL import Image

from tests.cli.commands import Serving, run, running
from tests.db.embedded.servers import end_leftovers, short_home
from tests.media import clips

HOSTILE = {"DATABASE_URL": "postgresql://nobody@nowhere/nothing", "SERVER_PORT": "8000", "DELETION_STRATEGY": "soft"}
"""What a shell may have set for another service; the demonstration must not touch that."""


@pytest.fixture
def scratch() -> Iterator[Path]:
    """A directory for temporary files that PostgreSQL's account can reach."""
    with short_home() as home:
        yield home
        for cluster in home.glob("*/var/postgres"):
            end_leftovers(cluster)


@contextmanager
def taken(port: int) -> Iterator[None]:
    """Occupy a port, unless somebody else does already."""
    with closing(socket.socket()) as listening:
        with suppress(OSError):
            listening.bind(("127.0.0.1", port))
            listening.listen()
        yield


@contextmanager
def demo(*arguments: str | Path, scratch: Path, printed: Path) -> Iterator[Serving]:
    """Start a demonstration; whatever became of it, it is over when the block ends."""
    with running("demo", *arguments, printed=printed, TMPDIR=str(scratch)) as shown:
        yield shown


def processes_in(directory: Path) -> list[str]:
    """Return the command lines that name a directory."""
    found = []
    for command in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            found.append(command.read_bytes().replace(b"\0", b" ").decode(errors="replace"))
    return [line for line in found if str(directory) in line]


def left_in(scratch: Path) -> tuple[list[Path], list[str]]:
    """Return the files and the processes a demonstration left."""
    return list(scratch.iterdir()), processes_in(scratch)


def test_a_film_is_made_analysed_shown_kept_for_its_time_and_swept(scratch: Path, tmp_path: Path) -> None:
    sheet = tmp_path / "sheet.jpg"

    with taken(8000):
        shown = run("demo", "--ttl", "1", "--sheet", sheet, TMPDIR=str(scratch), **HOSTILE)

    said = shown.stdout
    assert (shown.returncode, "Traceback" in shown.stderr) == (0, False), shown.stderr
    assert re.search(r"duration +6\.\d\d s\n", said)
    assert re.search(r"video +h264 .*1280 x 720, 24 frames/s, 144 frames", said)
    assert "title: A day at sea" in said
    assert re.search(r"100% sheet\n.*completed: 18 files", said)
    for category, files in (("uploads", 1), ("frames", 16), ("contact_sheets", 1), ("outputs", 1)):
        kept, swept = re.findall(rf"(?m)^{category} +(\d+) ", said)
        assert (int(kept), int(swept)) == (files, files)
    assert "→ 410: file_gone, explicit_expiry" in said
    assert "19 tombstones say when and why" in said
    with Image.open(sheet) as picture:
        assert picture.width > 1_000
    assert left_in(scratch) == ([], [])


def test_a_video_of_ones_own_is_kept_with_all_that_became_of_it(scratch: Path, tmp_path: Path) -> None:
    kept = scratch / "kept"

    shown = run("demo", clips.h264(), "--keep", kept, TMPDIR=str(scratch))
    again = run("demo", "--keep", kept, TMPDIR=str(scratch))

    found = re.search(r"file +(/\S+\.jpg)\n", shown.stdout)
    assert shown.returncode == 0, shown.stderr
    assert found is not None
    assert Path(found[1]).is_relative_to(kept)
    with Image.open(found[1]) as picture:
        picture.verify()
    assert "It expires" not in shown.stdout
    assert f"media-analysis serve --data-dir {kept}/var" in shown.stdout
    assert left_in(scratch) == ([kept], [])
    assert (again.returncode, again.stdout) == (1, "")
    assert "is not empty; --keep wants a directory of its own" in again.stderr


def test_what_is_no_video_is_refused_in_a_sentence_and_nothing_stays(scratch: Path, tmp_path: Path) -> None:
    letter = tmp_path / "letter.txt"
    letter.write_text("Dear reader")

    refused = run("demo", letter, TMPDIR=str(scratch))

    assert refused.returncode == 1
    assert "media-analysis: the job ended failed: plain text is not among the formats read here" in refused.stderr
    assert "Traceback" not in refused.stderr
    assert left_in(scratch) == ([], [])


@pytest.mark.parametrize(
    ("moment", "number", "exit_code"),
    [
        ("starting PostgreSQL", signal.SIGINT, 130),
        ("migrating the database", signal.SIGTERM, 143),
        ("running, attempt 1", signal.SIGINT, 130),
        ("all of it ends in 600 s", signal.SIGINT, 130),
    ],
)
def test_whoever_has_seen_enough_is_let_go_and_nothing_stays(
    scratch: Path, tmp_path: Path, moment: str, number: signal.Signals, exit_code: int
) -> None:
    with demo("--ttl", "600", scratch=scratch, printed=tmp_path / "printed") as shown:
        shown.wait_for(re.escape(moment))
        ended = shown.end(number)

    assert ended == exit_code
    assert "Traceback" not in shown.output
    assert left_in(scratch) == ([], [])
