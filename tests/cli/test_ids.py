"""An id may be given by its beginning or its end, where only one is meant; tables show the end."""

import re
from uuid import UUID

import pytest

from media_analysis.runtime import Runtime
from tests.asking import delete_file
from tests.cli.commands import SCREEN, run
from tests.conftest import StoreFile, execute
from tests.retention.jobs import add_job

TWINS = (UUID("01a2242c-0000-7000-8000-00000000beef"), UUID("01a2242c-0000-7000-8000-11111111beef"))


def width(printed: str) -> int:
    """Return how wide the widest line is, without its colors."""
    return max(map(len, re.sub(r"\x1b\[[0-9;]*m", "", printed).splitlines()))


async def test_the_end_a_table_shows_is_taken_for_the_id_in_80_columns(
    runtime: Runtime, database: str, environment: dict[str, str]
) -> None:
    job_id = await add_job(database)

    listed = run("job", "list", **environment | SCREEN)
    shown_id = re.findall(r"…[0-9a-f]{12}", listed.stdout)[0]
    by_end = run("job", "show", shown_id, **environment)
    by_beginning = run("job", "show", str(job_id)[:13], **environment)
    piped = run("job", "list", **environment)

    assert width(listed.stdout) <= 80
    assert str(job_id).endswith(shown_id.removeprefix("…"))
    assert by_end.stdout == by_beginning.stdout
    assert f"job        {job_id}" in by_end.stdout
    assert str(job_id) in piped.stdout


async def test_a_deleted_file_is_found_by_its_end_too(
    runtime: Runtime, store_file: StoreFile, environment: dict[str, str]
) -> None:
    file = await store_file()
    await delete_file(runtime, file.id, owner="alice", actor="alice")

    assert f"file {file.id}" in run("explain", file.id.hex[-8:], **environment).stdout


@pytest.mark.usefixtures("runtime")
async def test_what_means_nothing_or_more_than_one_is_refused_with_the_candidates(
    database: str, environment: dict[str, str]
) -> None:
    job_id = await add_job(database)
    for twin in reversed(TWINS):
        await execute(
            database,
            "INSERT INTO analysis_jobs (id, owner, name, kind, status, progress, priority, attempts, folder_name, "
            f"category) SELECT '{twin}', owner, name, kind, status, progress, priority, attempts, '{twin}', category "
            f"FROM analysis_jobs WHERE id = '{job_id}'",
        )

    ambiguous = run("job", "show", "beef", **environment)
    unknown = run("job", "show", "0123abcd", **environment)

    assert (ambiguous.returncode, unknown.returncode) == (1, 1)
    assert ambiguous.stderr == (
        "media-analysis: ID: beef is the beginning or end of more than one job: " + ", ".join(map(str, TWINS)) + "\n"
    )
    assert unknown.stderr == "media-analysis: no job has an id that begins or ends with 0123abcd\n"


@pytest.mark.parametrize(
    "command",
    [("job", "list"), ("archive", "list"), ("plan", "list"), ("pauses",), ("session", "list"), ("purge", "list")],
    ids=" ".join,
)
@pytest.mark.usefixtures("runtime")
def test_an_empty_list_is_a_sentence(command: tuple[str, ...], environment: dict[str, str]) -> None:
    listed = run(*command, **environment)

    assert listed.returncode == 0
    assert re.fullmatch(r"(there is no|no|nothing) [^\n]+\n", listed.stdout), listed.stdout
