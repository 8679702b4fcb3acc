"""Odd input to `archive list` and `archive download`: refused in words, or ended quietly."""

import os
from pathlib import Path

import pytest

from media_analysis.runtime import Runtime
from tests.archive.archived import Run, archive, make_run
from tests.cli.commands import clean, run
from tests.processes import start


@pytest.fixture
async def made(runtime: Runtime) -> Run:
    made = await make_run(runtime)
    await archive(runtime, made.id)
    return made


@pytest.mark.parametrize("given", [("--to", "9999-12-31"), ("--from", "0001-01-01T00:00+14:00")])
def test_a_date_no_calendar_has_is_refused_in_words(
    runtime: Runtime, environment: dict[str, str], given: tuple[str, str]
) -> None:
    refused = run("archive", "list", *given, **environment)

    assert (refused.returncode, "Traceback" in refused.stderr) == (1, False)
    assert f"{given[0]}: '{given[1]}' is not a day" in refused.stderr


def test_an_instant_is_one_however_it_is_written(made: Run, environment: dict[str, str]) -> None:
    listed = run("archive", "list", "--json", "--to", f"{made.job.created_at:%Y-%m-%d} 00:00", **environment)

    assert (listed.returncode, listed.stdout.strip()) == (0, "[]")


def test_force_replaces_files_and_nothing_else(made: Run, tmp_path: Path, environment: dict[str, str]) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)

    refused = run("archive", "download", str(made.id), "--force", "-o", pipe, **environment)

    assert (refused.returncode, pipe.is_fifo()) == (1, True)


@pytest.fixture
async def large(runtime: Runtime) -> Run:
    """An archived run of more than a pipe takes."""
    made = await make_run(runtime, {"frame.jpg": b"\xff\xd8\xff\xe0" + os.urandom(8 * 2**20)})
    await archive(runtime, made.id)
    return made


def test_a_reader_that_goes_ends_the_download_quietly(large: Run, environment: dict[str, str], tmp_path: Path) -> None:
    reading, writing = os.pipe()
    with (tmp_path / "said").open("wb") as said, os.fdopen(reading, "rb", buffering=0) as reader:
        asked = ("archive", "download", str(large.id), "-o", "-")
        download = start(*asked, environment=clean(environment), stdout=writing, stderr=said)
        os.close(writing)
        reader.read(10)

    assert (download.wait(60), (tmp_path / "said").read_bytes()) == (1, b"")
