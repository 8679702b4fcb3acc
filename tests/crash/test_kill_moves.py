"""A move dies by kill -9 at every failpoint, goes on, and nothing is lost or left."""

import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path
from subprocess import CompletedProcess
from uuid import UUID

import pytest

from media_analysis.failpoints import KILL_VARIABLE, TRACE_VARIABLE
from media_analysis.runtime import Runtime
from tests.asking import delete_file
from tests.cli.commands import armed, run
from tests.conftest import StartOver, fetch, storing
from tests.crash.points import EACH, OWN, find_moments, kind_of
from tests.moves.conftest import OpenAt, new, old, open_at, settings_at  # noqa: F401 - fixtures
from tests.moves.test_service import objects
from tests.oracle import inspect_everything
from tests.s3 import ENVIRONMENT, mirror, new_bucket

pytestmark = pytest.mark.crash
LARGE = os.urandom(9 * 2**20)
"""More than one request to a bucket carries."""


@dataclass
class MoveScenario:
    """Copies, gives up, copies again while files come and go, switches and deletes what is left."""

    old: str
    new: str
    environment: dict[str, str]
    dies: dict[str, str]
    dies_from: int = 0
    """At which command, for failpoints are counted in each process."""
    kept: dict[UUID, bytes] = field(default_factory=dict)
    commands: int = 0
    killed: int = 0
    inspects: bool = True
    """Whether what is inspected lies on a disk."""

    @property
    def wanted(self) -> set[bytes]:
        return {sha256(content).digest() for content in self.kept.values()}

    async def play(self, opening: OpenAt) -> None:
        async with opening(self.old, inspects=False) as runtime:
            await self._upload(runtime, b"small")
            await self._upload(runtime, LARGE)
            gone, gone_later = [await self._upload(runtime, content) for content in (b"gone", b"gone later")]
            self._command("move", "--to", self.new)
            self._command("cancel")
            await self._delete(runtime, gone)
            self._command("move", "--to", self.new)
            await self._delete(runtime, gone_later)
            await self._upload(runtime, b"late")
            self._command("switch")
        async with opening(self.new, inspects=self.inspects) as runtime:
            for row in await fetch(self.environment["DATABASE_URL"], "SELECT id, key FROM media_files"):
                content = self.kept[row["id"]]
                assert await runtime.store.read(row["key"], size_bytes=len(content)) == content
            self._command("delete-old", "--yes", self.old, store=self.new)

    def _command(self, *arguments: str, store: str | None = None) -> None:
        environment = self.environment | {"STORAGE_URL": store or self.old}
        dies = self.dies if self.commands >= self.dies_from else {}
        if TRACE_VARIABLE in dies:
            dies = dies | {TRACE_VARIABLE: f"{dies[TRACE_VARIABLE]} {self.commands}"}
        self.commands += 1
        done = run("store", *arguments, **environment, **dies)
        if done.returncode == -9:
            self.killed += 1
            self.dies = {}
            done = run("store", *arguments, **environment)
            if arguments[0] in {"cancel", "switch", "delete-old"} and "no move" in done.stderr:
                return  # it was over when it died
        assert done.returncode == 0, told(done)

    async def _upload(self, runtime: Runtime, content: bytes) -> UUID:
        file = await storing(runtime)(content)
        self.kept[file.id] = content
        return file.id

    async def _delete(self, runtime: Runtime, file_id: UUID) -> None:
        await delete_file(runtime, file_id, owner="alice", actor="alice")
        del self.kept[file_id]


def told(done: CompletedProcess[str]) -> str:
    return f"{done.args}: {done.returncode}\n{done.stdout}\n{done.stderr}"


@pytest.mark.parametrize("when", EACH)
async def test_a_move_killed_at_any_moment_goes_on(
    when: str,
    environment: dict[str, str],
    open_at: OpenAt,  # noqa: F811 - the fixture
    start_over: StartOver,
    subtests: pytest.Subtests,
    tmp_path: Path,
) -> None:
    trace = tmp_path / "trace"

    def anew(number: int, dies: dict[str, str], from_command: int = 0) -> MoveScenario:
        before, after = ((tmp_path / f"{name} {number}").as_uri() for name in ("old", "new"))
        return MoveScenario(before, after, environment, dies, from_command)

    await anew(0, armed(TRACE_VARIABLE, trace)).play(open_at)

    first = [(0, moment) for moment in find_moments(joined(trace), "moves")]
    for number, (command, moment) in enumerate(first if when == "first" else later_moments(trace), start=1):
        with subtests.test(f"{moment} from command {command}"):
            await start_over()
            scenario = anew(number, armed(KILL_VARIABLE, moment), command)
            await scenario.play(open_at)

            assert scenario.killed == 1
            assert objects(tmp_path / f"old {number}") == set()
            assert contents_of(tmp_path / f"new {number}") == scenario.wanted


@pytest.mark.s3
async def test_a_move_to_a_bucket_killed_at_any_moment_goes_on(
    environment: dict[str, str],
    open_at: OpenAt,  # noqa: F811 - the fixture
    start_over: StartOver,
    subtests: pytest.Subtests,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    trace = tmp_path / "trace"
    variables = {prefix + name: value for prefix in ("", "MOVE_") for name, value in ENVIRONMENT.items()}
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    async with new_bucket() as bucket:

        def anew(number: int, **dies: str) -> MoveScenario:
            before, after = (tmp_path / f"old {number}").as_uri(), replace(bucket, prefix=f"new-{number}")
            return MoveScenario(before, str(after), environment | variables, dies, inspects=False)

        await anew(0, **armed(TRACE_VARIABLE, trace)).play(open_at)

        kinds = OWN["moves"] | {"remote"}
        for number, moment in enumerate(find_moments(joined(trace), "moves", kinds=kinds), start=1):
            with subtests.test(moment):
                await start_over()
                scenario = anew(number, **armed(KILL_VARIABLE, moment))
                await scenario.play(open_at)
                root = await mirror(replace(bucket, prefix=f"new-{number}"), tmp_path / f"mirrored {number}")
                violations = await inspect_everything(environment["DATABASE_URL"], root)

                assert violations == []
                assert scenario.killed == 1
                assert objects(tmp_path / f"old {number}") == set()
                assert contents_of(root) == scenario.wanted


def contents_of(root: Path) -> set[bytes]:
    """Return what all objects of a store hash to."""
    return {sha256(path.read_bytes()).digest() for path in root.rglob("uploads/*/*")}


def traces(trace: Path) -> list[tuple[int, list[str]]]:
    """Return which failpoints each command of a scenario reached."""
    found = ((int(path.name.rpartition(" ")[2]), path.read_text()) for path in trace.parent.glob(f"{trace.name} *"))
    return sorted((command, [line.rpartition(":")[0] for line in told.splitlines()]) for command, told in found)


def joined(trace: Path) -> Path:
    """Return the file of all that the commands of a scenario reached."""
    trace.write_text("".join(f"{point}:1\n" for _, points in traces(trace) for point in points))
    return trace


def later_moments(trace: Path) -> Iterator[tuple[int, str]]:
    """Yield the last hits of each command, but for what is killed at as the first of all."""
    known: set[str] = set()
    for command, points in traces(trace):
        hits = Counter(point for point in points if kind_of(point) in OWN["moves"])
        for point, most in hits.items():
            if most > 1 or point in known:
                yield command, f"{point}:{most}"
        known |= hits.keys()
