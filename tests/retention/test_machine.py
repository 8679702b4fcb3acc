"""Random histories of everything that retention offers, held step by step to a plain model (promises 1, 3, 5, 7, 15).

Its clock only ever goes forward, by hours: services get it as `now`, and a file that was just uploaded is moved to it.
"""

import asyncio
import hashlib
from collections.abc import Callable, Coroutine, Mapping
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import mkdtemp
from typing import Any, TypeVar
from uuid import UUID

import asyncpg
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from media_analysis.errors import InvalidRequest, JobGone, MediaAnalysisError
from media_analysis.files.expiry import Expiry
from media_analysis.integrity.reckoning import reckon
from media_analysis.retention.holds import HoldRequest
from media_analysis.retention.models import SweepTrigger
from media_analysis.runtime import open_runtime
from media_analysis.settings import load_settings
from media_analysis.states import FOREVER
from media_analysis.storage.category import Category
from tests.asking import delete_file
from tests.conftest import chunks
from tests.emptying import EMPTYING
from tests.oracle import inspect_everything
from tests.retention.conftest import request
from tests.retention.jobs import add_job
from tests.retention.model import Model, Verdict
from tests.retention.modelled import File, Job
from tests.retention.travelling import (
    LEASE,
    LOOK,
    OWNERS,
    RULES,
    QuietRoom,
    Sent,
    TravellingDatabase,
    apply_policy,
    environment,
    facts_of,
    move,
    read_all,
    sent,
    steps,
)

Answer = TypeVar("Answer")


class Retention(RuleBasedStateMachine):
    """Every rule does the same to the services and to the model and compares what the two say."""

    def __init__(self, database: str, directory: Path) -> None:
        super().__init__()
        self.database, self.directory = database, Path(mkdtemp(dir=directory))
        self.loop, self.opened = asyncio.new_event_loop(), AsyncExitStack()
        self.agreed = False
        self.files: list[UUID] = []

    def run(self, work: Coroutine[Any, Any, Answer]) -> Answer:
        return self.loop.run_until_complete(work)

    def tell(self, work: Coroutine[Any, Any, object]) -> Verdict:
        try:
            self.run(work)
        except MediaAnalysisError as error:
            return type(error)
        return None

    @property
    def now(self) -> datetime:
        return self.model.now

    def travel(self, span: int) -> None:
        self.model.now += timedelta(hours=span)

    def at(self, span: int | None) -> datetime | None:
        return None if span is None else self.now + timedelta(hours=span)

    @initialize(soft=st.sampled_from([True, True, False]), uploads=st.lists(sent, min_size=4, max_size=8))
    def open(self, uploads: list[Sent], *, soft: bool) -> None:
        self.model = Model(datetime.now(UTC), soft, dict(RULES))
        self.run(self._open(soft=soft))
        self.jobs = {owner: self.run(add_job(self.database, owner=owner)) for owner in OWNERS}
        self.model.jobs = {job: Job() for job in self.jobs.values()}
        for upload in uploads:
            self.upload(upload)

    async def _open(self, *, soft: bool) -> None:
        self.connection = await asyncpg.connect(self.database)
        self.opened.push_async_callback(self.connection.close)
        await self.connection.execute(EMPTYING)
        chosen = load_settings(environ=environment(self.database, self.directory, soft=soft)).settings
        runtime = await self.opened.enter_async_context(open_runtime(chosen, self.database))
        own = runtime.db
        db = TravellingDatabase(own.engine, own.deadline_seconds, own.address, own.driver, lambda: self.now)
        self.store, self.services = chosen.store_path, replace(runtime, db=db)
        self.uploads = replace(self.services.files.uploads, room=QuietRoom(self.services.retention.pressure))

    @rule(step=steps)
    def take(self, step: tuple[str, dict[str, Any]]) -> None:
        """Do one thing: hypothesis would rather repeat one rule than choose among many."""
        name, arguments = step
        numbered = {"file": self.files, "plan": list(self.model.plans)}
        for what, choice in numbered.items():
            if what in arguments:
                if not choice:
                    return
                arguments = {**arguments, what: choice[arguments[what] % len(choice)]}
        getattr(self, name)(**arguments)

    def upload(self, sent: Sent) -> None:
        content = len(self.files).to_bytes(4, "big") * (sent.size // 4)
        job = self.jobs[sent.owner] if sent.of_job else None
        gone = job is not None and self.model.jobs[job].gone
        expected = InvalidRequest if gone else self.model.make_room(sent.category, sent.size, sent.owner)
        storing = self.uploads.store_file(sent.ask(job), chunks(content))
        if expected is not None:
            assert self.tell(storing) is expected
            return
        stored = self.run(storing)
        self.run(move(self.connection, stored, self.now))
        file = File(stored.id, sent.owner, sent.category, content, self.now, job)
        self.model.add(file, sent.span, explicit=sent.explicit)
        self.files.append(stored.id)

    def protect(self, file: UUID, act: str, span: int | None) -> None:
        holds, until = self.services.retention.holds, self.at(span)
        if act == "extend":
            work = self.services.files.catalog.change(file, owner=None, expiry=Expiry(at=until), now=self.now)
            assert self.tell(work) is self.model.extend(file, until)
        elif act == "hold":
            asked = HoldRequest(actor="admin", reason="evidence", until=until)
            holding = holds.hold_file(file, asked, owner=None, now=self.now)
            assert self.tell(holding) is self.model.hold(file, until or FOREVER)
        elif act == "release":
            releasing = holds.release_file(file, owner=None, actor="admin", now=self.now)
            assert self.tell(releasing) is self.model.hold(file, None)
        else:
            self.run(self.connection.execute(LEASE, file, until or self.now))
            self.model.lease(file, until or self.now)

    def change_job(self, owner: str, act: str, span: int | None) -> None:
        job, until, now = self.jobs[owner], self.at(span), self.now
        holds, restoring = self.services.retention.holds, self.services.retention.trash
        asked = HoldRequest(actor="admin", reason="evidence", until=until)
        work: Mapping[str, Callable[[], Coroutine[Any, Any, object]]] = {
            "hold": lambda: holds.hold_job(job, asked, owner=None, now=now),
            "release": lambda: holds.release_job(job, actor="admin", owner=None, now=now),
            "extend": lambda: holds.extend_job(job, Expiry(at=until), actor="admin", owner=None, now=now),
            "restore": lambda: restoring.restore_job(job, actor="admin", owner=None, now=now),
        }
        if self.model.jobs[job].gone:
            assert self.tell(work[act]()) is JobGone
            return
        answer = self.run(work[act]())
        if act == "extend":
            assert answer == (until, self.model.extend_job(job, until))
        elif act == "restore":
            assert answer == (self.model.restore_job(job), 0)
        else:
            self.model.hold_job(job, (until or FOREVER) if act == "hold" else None)

    def delete(self, file: UUID, wish: str) -> None:
        hard, secure, soft = (wish == word for word in ("hard", "secure", "soft"))
        deleting = delete_file(self.services, file, owner=None, actor="admin", hard=hard, secure=secure, soft=soft)
        assert self.tell(deleting) is self.model.delete(file, for_good=hard or secure, soft=soft)

    def restore(self, number: int) -> None:
        """Restore something of the trash; where there is none, learn that."""
        choice = [file.id for file in self.model.files.values() if file.trash] or self.files
        if not choice:
            return
        file = choice[number % len(choice)]
        restoring = self.services.retention.trash.restore(file, owner=None, actor="admin", now=self.now)
        assert self.tell(restoring) is self.model.restore(file)
        self.read(file)

    def read(self, file: UUID) -> None:
        """What lives, restored or never deleted, reads back as it was sent."""
        try:
            _, reader = self.run(self.services.files.catalog.open(file, owner=None, now=self.now))
        except MediaAnalysisError:
            assert not self.model.is_readable(file)
        else:
            assert self.model.is_readable(file)
            assert self.run(read_all(reader)) == self.model.files[file].content

    def sweep(self, span: int) -> None:
        self.travel(span)
        report = self.run(self.services.retention.sweeps.run(request(), now=self.now))
        self.model.sweep(report.id)
        assert report.files + report.files_trashed == self.model.taken[report.id]
        assert (report.errors, report.paused) == (0, {})

    def undo(self, number: int) -> None:
        """Undo something that can be undone; where there is nothing, learn that."""
        undoable = {file.trash.sweep for file in self.model.files.values() if file.trash}
        choice = [sweep for sweep in self.model.taken if sweep in undoable] or list(self.model.taken)
        if not choice:
            return
        sweep = choice[number % len(choice)]
        told = self.run(self.services.retention.trash.undo(sweep, actor="admin", now=self.now))
        assert told == self.model.undo(sweep)

    def relieve(self) -> None:
        relieving = self.services.retention.pressure.relieve(trigger=SweepTrigger.PRESSURE, now=self.now)
        outcomes = {outcome.scope.category: outcome for outcome in self.run(relieving)}
        gone = self.model.relieve({category: outcome.sweep_id for category, outcome in outcomes.items()})
        assert {category: outcome.freed_bytes for category, outcome in outcomes.items()} == gone

    def apply_policy(self, category: Category, lifetime: int | None, minimum: int | None) -> None:
        applied = self.run(apply_policy(self.services, category, lifetime, minimum, now=self.now))
        rules = replace(self.model.rules[category], lifetime=lifetime, minimum=minimum)
        assert applied == self.model.apply_policy(category, rules)

    def plan(self, span: int) -> None:
        self.travel(span)
        plan = self.run(self.services.retention.plans.create(tuple(Category), actor="admin", now=self.now))
        page = self.run(self.services.retention.plans.list_files(plan.id, after=None, limit=1_000))
        assert {file.id for file in page.files} == self.model.plan(plan.id)

    def apply_plan(self, plan: UUID, span: int) -> None:
        self.travel(span)
        made, _ = self.run(self.services.retention.plans.get(plan))
        applying = self.services.retention.applying.apply(plan, digest=made.hash, actor="admin", now=self.now)
        expected = self.model.refuses(plan)
        if expected is not None:
            assert self.tell(applying) is expected
            return
        report = self.run(applying)
        drift = self.model.apply(plan, report.id)
        assert {told["file_id"]: told["reason"] for told in report.details["drift"]} == drift

    @invariant()
    def agree(self) -> None:
        """Exactly the files that should be are alive, in the trash or gone, and sums are sums."""
        self.agreed = False
        rows = {row["id"]: row for row in self.run(self.connection.fetch(LOOK))}
        promised = "SELECT id FROM tombstones WHERE rule <> 'upload_abandoned'"
        gone = {row["id"] for row in self.run(self.connection.fetch(promised))}
        assert rows.keys() == self.model.files.keys()
        assert gone == self.model.buried.keys()
        for file in self.model.files.values():
            row, goes_at = rows[file.id], self.model.goes_at(file)
            assert tuple(row.values())[1:-1] == facts_of(file)
            assert goes_at is None or (row["due_at"] is not None and row["due_at"] <= goes_at), "due too late"
        assert self.run(reckon(self.services.db)).differences == []
        self.agreed = True

    def teardown(self) -> None:
        """Let the oracle look at every object that is left, restored ones too."""
        everything = (*self.model.files.values(), *self.model.buried.values())
        sent = {str(file.id): hashlib.sha256(file.content).hexdigest() for file in everything}
        try:
            if self.agreed:
                assert self.run(inspect_everything(self.database, self.store, acknowledged=sent)) == []
        finally:
            self.run(self.opened.aclose())
            self.run(self.loop.shutdown_default_executor())
            self.loop.close()


def play(database: str, directory: Path, *, histories: int, steps: int, same: bool) -> None:
    chosen = settings(
        max_examples=histories,
        stateful_step_count=steps,
        derandomize=same,
        deadline=None,
        report_multiple_bugs=False,
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(lambda: Retention(database, directory), settings=chosen)  # type: ignore[arg-type]


def test_any_history_does_what_the_model_says(database: str, tmp_path: Path) -> None:
    play(database, tmp_path, histories=30, steps=25, same=True)


@pytest.mark.large
def test_many_long_histories_do_what_the_model_says(database: str, tmp_path: Path) -> None:
    play(database, tmp_path, histories=200, steps=50, same=False)
