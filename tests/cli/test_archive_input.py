"""Odd input to `archive list` and `archive download`: refused in words, or ended quietly."""

import os
import subprocess
from pathlib import Path

import pytest

from media_analysis.runtime import Runtime
from tests.archive.archived import Run, archive, make_run
from tests.cli.commands import COMMAND, ROOT, clean, run


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
    assert f"{given[0]}: is no date" in refused.stderr


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


def test_a_reader_that_goes_ends_the_download_quietly(large: Run, environment: dict[str, str]) -> None:
    command = [*COMMAND, "archive", "download", str(large.id), "-o", "-"]
    with subprocess.Popen(
        command, cwd=ROOT, env=clean(environment), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as download:
        assert download.stdout is not None
        assert download.stderr is not None
        download.stdout.read(10)
        download.stdout.close()
        said = download.stderr.read()

    assert (download.returncode, said) == (1, b"")
