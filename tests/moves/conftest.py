"""A service whose store moves, opened at one place or another."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import pytest

from media_analysis.analysis.child.fork_server import ForkServer
from media_analysis.moves.opened import MoveContext
from media_analysis.runtime import Runtime, open_services
from media_analysis.settings import Settings, load_settings
from media_analysis.settings.postgres import database_options
from tests.conftest import fetch
from tests.oracle import inspect_everything
from tests.reused import Pool, end_old_zygotes

SettingsAt = Callable[..., Settings]
OpenAt = Callable[..., AbstractAsyncContextManager[Runtime]]
MovesOf = Callable[..., MoveContext]
InspectAt = Callable[[Settings], Awaitable[None]]


@pytest.fixture
def old(tmp_path: Path) -> str:
    """Where the store is at first."""
    return (tmp_path / "old").as_uri()


@pytest.fixture
def new(tmp_path: Path) -> str:
    """Where it moves."""
    return (tmp_path / "new").as_uri()


@pytest.fixture
def settings_at(environment: dict[str, str]) -> SettingsAt:
    """The settings of a service whose store is there, and its archives there."""

    def settings(store: str, archives: str | None = None, **about: str) -> Settings:
        named = {"STORAGE_URL": store} | ({} if archives is None else {"ARCHIVE_URL": archives})
        return load_settings(environ=environment | named | about).settings

    return settings


@pytest.fixture
def open_at(settings_at: SettingsAt, database: str, pool: Pool, shared_fork_server: ForkServer) -> OpenAt:
    """Opens the services over a place; what is inspected at their end is what they serve from."""

    @asynccontextmanager
    async def opening(store: str, archives: str | None = None, *, inspects: bool = True) -> AsyncIterator[Runtime]:
        settings = settings_at(store, archives)
        async with (
            pool.lend(database, database_options(settings)) as db,
            open_services(settings, db, shared_fork_server) as opened,
        ):
            yield opened
        await end_old_zygotes(shared_fork_server)
        if inspects:
            await inspect_at(database, settings)

    return opening


async def inspect_at(database: str, settings: Settings) -> None:
    """Fail unless rows and objects are what was promised, at the disks that the settings name."""
    roots = settings.sites.roots
    violations = await inspect_everything(database, roots[0], archives=roots[1] if len(roots) > 1 else None)
    assert not violations, "\n".join(violations)


@pytest.fixture
def moves_of(settings_at: SettingsAt) -> MovesOf:
    """What moves are worked at with, beside the services of a place."""

    def context(runtime: Runtime, *places: str) -> MoveContext:
        settings = settings_at(*places) if places else runtime.settings
        return MoveContext(runtime.db, settings, runtime.store.instance_id, "test")

    return context


async def acts(database: str) -> list[str]:
    """Return what the audit trail tells of moves, oldest first."""
    rows = await fetch(database, "SELECT action FROM audit_events WHERE starts_with(action, 'move_') ORDER BY id")
    return [row["action"] for row in rows]
