"""Owners take turns at external jobs, as they do at those of workers (law 13)."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any, Final

import pytest

from media_analysis.jobs.attempts.attempt import Attempt, Failure
from media_analysis.jobs.attempts.external import NEXT, NEXT_OF_OWNER
from media_analysis.jobs.control import NewJob
from media_analysis.jobs.models import AnalysisJob
from media_analysis.runtime import Runtime, open_runtime
from media_analysis.settings import Settings
from tests.conftest import execute
from tests.plans import explain

OWNERS: Final = 10
WORDS: Final = ["words"]
# One owner has nearly all of it, some of which waits for its next try or runs; others use other analysers. Without the
# triggers, which would count each of them.
_FILL: Final = """
    SET LOCAL session_replication_role = replica;
    INSERT INTO analysis_jobs (id, owner, name, kind, parameters, status, progress, priority, attempts, retry_at,
                               leased_until, folder_name, category)
    SELECT uuidv7(), CASE WHEN number % 2000 = 0 THEN 'o' || number / 2000 ELSE 'many' END, 'n', 'external',
        jsonb_build_object('analyser', CASE WHEN number % 5 = 4 THEN 'faces' ELSE 'words' END),
        (CASE WHEN number % 400 = 2 THEN 'running' ELSE 'pending' END)::job_status, 0, number % 4, number % 4,
        CASE WHEN number % 4 = 3 THEN now() + interval '1 h' END,
        CASE WHEN number % 400 = 2 THEN now() + interval '1 h' END, number, 'outputs'
    FROM generate_series(1, {jobs}) AS number
"""


async def ask(runtime: Runtime, owner: str, times: int = 1, **about: Any) -> list[AnalysisJob]:
    """Create external jobs for the analyser `words`."""
    asked = {"name": "n", "kind": "external", "source_file_ids": [], "parameters": {"analyser": "words"}} | about
    return [await runtime.jobs.control.create(NewJob(owner=owner, **asked)) for _ in range(times)]


async def claim(runtime: Runtime, owner: str | None = None, *analysers: str) -> Attempt:
    run = await runtime.jobs.external.claim(analysers or WORDS, owner=owner, worker="w")
    assert run is not None
    return run


async def served(runtime: Runtime, times: int, *, running: int = 0) -> list[str]:
    """Claim so many jobs, each once no more than `running` others run, and return whose they were."""
    told: list[str] = []
    under_way: list[Attempt] = []
    for _ in range(times):
        under_way.append(await claim(runtime))
        told.append(under_way[-1].owner)
        if len(under_way) > running:
            ended = under_way.pop(0)
            await runtime.jobs.external.finish(ended.job_id, fence=ended.fence, owner=None)
    return told


async def test_an_analyser_of_everybodys_serves_owners_in_turn(runtime: Runtime) -> None:
    await ask(runtime, "a", 5, priority=100)
    before = await served(runtime, 2)
    await ask(runtime, "b", 2, priority=-100)
    await ask(runtime, "c")

    assert before == ["a", "a"]
    assert await served(runtime, 6) == ["b", "c", "a", "b", "a", "a"]


async def test_who_has_the_fewest_running_is_next_of_several_analysers(runtime: Runtime) -> None:
    await ask(runtime, "a", 4)
    for _ in range(2):
        await claim(runtime)
    await ask(runtime, "b", 4)

    assert await served(runtime, 3, running=9) == ["b", "b", "a"]


async def test_what_an_administrator_lifts_goes_first_and_their_own_claim_finds_it(runtime: Runtime) -> None:
    await ask(runtime, "a", 2, priority=100)
    await ask(runtime, "root", priority=-1, by_administrator=True)
    await ask(runtime, "root", priority=1, by_administrator=True)
    await ask(runtime, "root", priority=50)

    first = await served(runtime, 1)
    own = [(await claim(runtime, "root")).job_id for _ in range(2)]

    assert first == ["root"]
    assert len(set(own)) == 2
    assert await served(runtime, 2) == ["a", "a"]


async def test_an_analyser_that_serves_one_owner_takes_no_turn_at_another_analyser(runtime: Runtime) -> None:
    faces = {"parameters": {"analyser": "faces"}}
    await ask(runtime, "a", 3)
    await ask(runtime, "a", 3, **faces)
    await ask(runtime, "b", 3, **faces)
    first = await claim(runtime, None, "faces")
    await runtime.jobs.external.finish(first.job_id, fence=first.fence, owner=None)
    await served(runtime, 1)

    following = [await claim(runtime, None, "faces") for _ in range(2)]

    assert [first.owner, *(run.owner for run in following)] == ["a", "b", "a"]


async def test_what_waits_for_its_next_try_or_runs_keeps_nothing_back(runtime: Runtime) -> None:
    await ask(runtime, "a", 2, priority=9)
    (usual,) = await ask(runtime, "a")
    run = await claim(runtime)
    may_pass = Failure(code="busy", detail="no room")
    await runtime.jobs.external.fail(run.job_id, may_pass, fence=run.fence, owner=None, may_pass=True)
    await claim(runtime)

    assert (await claim(runtime)).job_id == usual.id
    assert await runtime.jobs.external.claim(WORDS, owner=None, worker="w") is None
    after_all = await runtime.db.now() + timedelta(hours=1)
    again = await runtime.jobs.external.claim(WORDS, owner=None, worker="w", now=after_all)
    assert again is not None
    assert again.attempt == 2


async def test_claims_at_once_never_share_a_job_and_serve_everybody(runtime: Runtime) -> None:
    await ask(runtime, "a", 12)
    for owner in "bcd":
        await ask(runtime, owner)

    # Those that come at the very same moment see none of each other, so that all of them may begin jobs of one owner.
    runs = [run for _ in range(2) for run in await asyncio.gather(*(claim(runtime) for _ in range(6)))]

    assert len({run.job_id for run in runs}) == 12
    assert Counter(run.owner for run in runs) == {"a": 9, "b": 1, "c": 1, "d": 1}


@pytest.fixture
async def full(settings: Settings, database: str, known: str) -> AsyncIterator[Runtime]:
    """The services over twenty thousand jobs that wait; no oracle, for nothing is behind them."""
    async with open_runtime(settings, database) as opened:
        if known == "that all were of another kind":
            other = (
                _FILL.format(jobs=3_000)
                .replace("'external'", "'probe'")
                .replace("1 h' END, number", "1 h' END, -number")
            )
            await execute(database, other, "VACUUM ANALYZE analysis_jobs", "VACUUM ANALYZE queue_turns")
        if known == "that there was none":
            await execute(database, "VACUUM ANALYZE analysis_jobs", "VACUUM ANALYZE queue_turns")
        await execute(database, _FILL.format(jobs=20_000))
        if known == "all":
            await execute(database, "ANALYZE analysis_jobs")
        yield opened


@pytest.mark.parametrize("known", ["nothing", "that there was none", "that all were of another kind", "all"])
async def test_a_claim_reads_the_heads_of_lines_at_twenty_thousand_jobs(full: Runtime) -> None:
    about = {"kinds": ["external:words", "external:sounds"], "now": await full.db.now()}

    plans = {
        OWNERS + 1: await explain(full, NEXT.bindparams(**about)),
        1: await explain(full, NEXT_OF_OWNER.bindparams(**about, owner="o3")),
    }

    for owners, plan in plans.items():
        assert plan.read_whole <= {"queue_turns"}, "which is empty"
        assert "ix_analysis_jobs_external" in plan.indexes
        # What runs is read for its count; of each owner the heads of some lines and its turn.
        assert plan.rows_read <= 60 + 6 * owners, plan.nodes
