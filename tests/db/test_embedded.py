"""The embedded server: closed to others, hard to kill, and gone when its process ends."""

import asyncio
import fcntl
import os
import pwd
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from sqlalchemy import make_url, text
from sqlalchemy.ext.asyncio import create_async_engine

import media_analysis
from media_analysis.db.embedded import EmbeddedServer, embedded_server, server
from media_analysis.db.embedded import account as accounts
from media_analysis.db.embedded.account import Account, choose_account, find_binaries
from media_analysis.db.embedded.cluster import NAME, Cluster, require_short_path
from media_analysis.db.embedded.process import find_postmaster
from media_analysis.errors import EmbeddedServerFailed

DEADLINE_SECONDS = 30.0
Running = tuple[Path, EmbeddedServer]
KEEPER = """
import asyncio, pathlib, sys
from media_analysis.db.embedded import embedded_server

async def keep():
    async with embedded_server(pathlib.Path(sys.argv[1])) as server:
        print("owned" if server.owned else "joined", flush=True)
        await asyncio.Event().wait()

asyncio.run(keep())
"""


@pytest.fixture
def home() -> Iterator[Path]:
    """A short directory that every account can enter, unlike pytest's own."""
    with _home() as path:
        yield path


@pytest.fixture(scope="module")
async def template() -> Any:
    """A stopped server with one committed row, to be copied."""
    with _home() as path:
        async with embedded_server(path / "postgres") as server:
            await _run(server.url, "CREATE TABLE kept AS SELECT 'precious' AS word")
        yield path / "postgres"


@pytest.fixture
def directory(home: Path, template: Path) -> Path:
    return _copy(template, home / "postgres")


@pytest.fixture(scope="module")
async def running(template: Path) -> Any:
    """A server for tests that change nothing, and its directory."""
    with _home() as path:
        directory = _copy(template, path / "postgres")
        async with embedded_server(directory) as server:
            yield directory, server


@pytest.fixture
def account() -> Account:
    return choose_account(None)


async def test_a_later_start_finds_what_an_earlier_one_stored(home: Path) -> None:
    said: list[str] = []

    async with embedded_server(home / "new" / "postgres", report=said.append) as first:
        await _run(first.url, "CREATE TABLE kept AS SELECT 'precious' AS word")
    async with embedded_server(home / "new" / "postgres") as second:
        words = await _run(second.url, "SELECT word FROM kept")

    assert words == ["precious"]
    assert first == second
    assert second.owned
    assert said == ["creating the database cluster", "starting PostgreSQL", "stopping PostgreSQL"]


async def test_the_url_serves_sqlalchemy_from_a_directory_with_odd_characters(home: Path, template: Path) -> None:
    odd = _copy(template, home / "a b%2F+&=?#:ü")

    async with embedded_server(odd) as server:
        engine = create_async_engine(make_url(server.url).set(drivername="postgresql+asyncpg"))
        async with engine.connect() as connection:
            from_sqlalchemy = await connection.scalar(text("SELECT word FROM kept"))
        await engine.dispose()
        from_asyncpg = await _run(server.url, "SELECT word FROM kept")

    assert [from_sqlalchemy] == from_asyncpg == ["precious"]


async def test_the_settings_keep_data_safe_and_the_network_out(running: Running) -> None:
    _, server = running
    wanted = {
        "fsync": "on",
        "full_page_writes": "on",
        "synchronous_commit": "on",
        "data_checksums": "on",
        "listen_addresses": "",
        "unix_socket_permissions": "0700",
        "max_connections": "100",
        "TimeZone": "UTC",
        "server_encoding": "UTF8",
        "logging_collector": "on",
        "log_filename": "%A.log",
        "log_truncate_on_rotation": "on",
        "server_version_num": "18",
    }

    found = {name: (await _run(server.url, f"SHOW {name}"))[0] for name in wanted}

    found["server_version_num"] = found["server_version_num"][:2]
    assert found == wanted


@pytest.mark.parametrize("password", [None, "", "wrong"])
async def test_nobody_enters_without_the_password(
    running: Running, password: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PGPASSWORD", raising=False)
    run = running[0] / "run"

    with pytest.raises((asyncpg.InvalidAuthorizationSpecificationError, asyncpg.InterfaceError)):
        await asyncpg.connect(host=str(run), user=NAME, database=NAME, password=password, passfile="/nowhere")


async def test_everything_belongs_to_the_account_and_is_closed_to_others(running: Running, account: Account) -> None:
    directory, server = running

    found = _tree(directory)

    assert {status.st_uid for status in found.values()} == {account.uid}
    assert _open_to_others(directory) == []
    assert (directory / "password").read_text() not in repr(server)


async def test_parents_stay_as_they_are_and_new_ones_are_passable(home: Path) -> None:
    before = {parent: _facts(parent) for parent in (home, *home.parents)}
    umask = os.umask(0o077)

    try:
        async with embedded_server(home / "data" / "dir" / "postgres"):
            pass
    finally:
        os.umask(umask)

    assert {parent: _facts(parent) for parent in before} == before
    assert [stat.S_IMODE((home / new).stat().st_mode) for new in ("data", "data/dir")] == [0o755, 0o755]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives PostgreSQL to another account")
async def test_a_parent_closed_to_the_account_is_named_and_stays_closed(home: Path, account: Account) -> None:
    closed = home / "closed"
    closed.mkdir(mode=0o700)

    with pytest.raises(EmbeddedServerFailed) as refusal:
        await _start(closed / "deep" / "postgres")

    assert all(part in str(refusal.value) for part in (f"{closed} ", account.name, "--data-dir", "DATABASE_URL"))
    assert list(closed.iterdir()) == []
    assert stat.S_IMODE(closed.stat().st_mode) == 0o700


@pytest.mark.skipif(os.geteuid() != 0, reason="only root chooses accounts")
@pytest.mark.parametrize(("name", "reason"), [("root", "refuses to run as root"), ("no-such", "no such account")])
async def test_an_unfit_account_is_refused(home: Path, name: str, reason: str) -> None:
    with pytest.raises(EmbeddedServerFailed, match=reason):
        await _start(home / "postgres", account=name)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root chooses accounts")
async def test_a_directory_of_another_account_is_refused(directory: Path) -> None:
    with pytest.raises(EmbeddedServerFailed, match=f"{directory} belongs to 'postgres', but 'nobody'"):
        await _start(directory, account="nobody")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root chooses accounts")
async def test_the_named_account_runs_the_server(home: Path) -> None:
    async with embedded_server(home / "postgres", account="nobody"):
        postmaster = _facts(Path("/proc", str(_pid(home / "postgres"))))

    nobody = pwd.getpwnam("nobody").pw_uid
    assert postmaster[1] == nobody
    assert {status.st_uid for status in _tree(home / "postgres").values()} == {nobody}


async def test_a_path_too_long_for_a_socket_is_refused_with_the_excess(home: Path) -> None:
    fitting = home / ("x" * (107 - len(f"{home}//run/.s.PGSQL.5432")))
    too_long = fitting.with_name(fitting.name + "yyy")

    require_short_path(fitting)
    with pytest.raises(EmbeddedServerFailed, match=r"3 bytes too long.*--data-dir"):
        await _start(too_long)

    assert list(_tree(home)) == [home]


async def test_without_programs_the_way_out_is_named(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(accounts, "INSTALLATION", "nowhere")

    with pytest.raises(EmbeddedServerFailed, match="DATABASE_URL"):
        await _start(home / "postgres")

    assert list(_tree(home)) == [home]


def test_the_package_of_the_programs_is_never_imported() -> None:
    find_binaries()

    assert accounts.PACKAGE not in sys.modules


async def test_widened_modes_are_mended(directory: Path) -> None:
    for name, mode in {".": 0o755, "run": 0o777, "log": 0o755, "data": 0o755, "password": 0o644}.items():
        (directory / name).chmod(mode)

    await _start(directory)

    assert _open_to_others(directory) == []


@pytest.mark.parametrize("name", [".", "run"])
async def test_a_symlink_in_place_of_a_directory_is_refused(directory: Path, home: Path, name: str) -> None:
    place = directory / name
    place.rename(home / "moved")
    place.symlink_to(home / "moved")

    with pytest.raises(EmbeddedServerFailed, match="not a directory of its own"):
        await _start(directory)


async def test_trust_in_the_access_rules_is_taken_out_again(directory: Path, account: Account) -> None:
    rules = directory / "data" / "pg_hba.conf"
    rules.write_text("local all all trust\n")

    async with embedded_server(directory) as server:
        loaded = await _run(server.url, "SELECT array_agg(auth_method) FROM pg_hba_file_rules")

    assert loaded == [["scram-sha-256"]]
    assert rules.read_text() == "local all all scram-sha-256\n"
    assert (rules.stat().st_uid, stat.S_IMODE(rules.stat().st_mode)) == (account.uid, 0o600)


async def test_a_lost_password_is_refused_in_words(directory: Path) -> None:
    (directory / "password").unlink()

    with pytest.raises(EmbeddedServerFailed, match="password is missing"):
        await _start(directory)


async def test_another_password_is_refused_in_words(directory: Path) -> None:
    (directory / "password").write_text("another")

    with pytest.raises(EmbeddedServerFailed, match="does not accept the password"):
        await _start(directory)

    assert not (directory / "data" / "postmaster.pid").exists()


async def test_a_server_that_cannot_start_is_quoted(directory: Path) -> None:
    with (directory / "data" / "postgresql.conf").open("a") as settings:
        settings.write("max_connections = many\n")

    with pytest.raises(EmbeddedServerFailed, match=r'FATAL|invalid value for parameter "max_connections": "many"'):
        await _start(directory)


async def test_a_later_process_joins_and_leaves_the_server_running(running: Running) -> None:
    directory, owner = running

    async with embedded_server(directory) as joiner:
        assert (owner.owned, joiner.owned) == (True, False)

    assert await _run(owner.url, "SELECT word FROM kept") == ["precious"]


async def test_processes_that_start_at_once_share_one_server(home: Path) -> None:
    async def start(ready: asyncio.Barrier) -> bool:
        async with embedded_server(home / "postgres") as server:
            await _run(server.url, "SELECT 1")
            await ready.wait()
            return server.owned

    ready = asyncio.Barrier(3)
    owned = await asyncio.gather(*(start(ready) for _ in range(3)))

    assert sorted(owned) == [False, False, True]


async def test_an_exclusive_start_names_the_process_in_its_way(running: Running) -> None:
    with pytest.raises(EmbeddedServerFailed, match=f"already served by process {os.getpid()}"):
        await _start(running[0], exclusive=True)


@pytest.mark.crash
async def test_a_server_that_outlived_its_process_is_adopted_and_stopped(directory: Path, account: Account) -> None:
    with _keeper(directory) as keeper:
        await _until(lambda: _pid(directory) is not None)
        assert await asyncio.to_thread(_line, keeper) == "owned"
        keeper.kill()
        keeper.wait()
    left_running = _pid(directory)
    (directory / "data" / "pg_hba.conf").write_text("local all all trust\n")

    async with embedded_server(directory) as server:
        adopted, owned = _pid(directory), server.owned
        words = await _run(server.url, "SELECT word FROM kept")

    assert left_running == adopted
    assert (owned, words) == (True, ["precious"])
    assert find_postmaster(Cluster(directory, find_binaries(), account)) is None
    assert not (directory / "data" / "postmaster.pid").exists()


@pytest.mark.crash
async def test_a_server_still_stopping_is_waited_for_and_replaced(directory: Path) -> None:
    with _keeper(directory) as keeper:
        assert await asyncio.to_thread(_line, keeper) == "owned"
        keeper.kill()
        keeper.wait()
    leaving = _pid(directory)
    assert leaving is not None
    os.kill(leaving, signal.SIGINT)

    async with embedded_server(directory) as server:
        words = await _run(server.url, "SELECT word FROM kept")

    assert words == ["precious"]


@pytest.mark.crash
async def test_a_crashed_server_recovers_what_was_committed(directory: Path) -> None:
    async with embedded_server(directory) as server:
        await _run(server.url, "CREATE TABLE late AS SELECT generate_series(1, 1000) AS number")
        crashed = _pid(directory)
        assert crashed is not None
        os.kill(crashed, signal.SIGKILL)
    async with embedded_server(directory) as server:
        found = await _run(server.url, "SELECT count(*) FROM late")

    assert found == [1000]


@pytest.mark.crash
async def test_a_recycled_process_id_is_neither_adopted_nor_signalled(directory: Path, account: Account) -> None:
    stranger = _stranger(account)
    traces = [directory / "data" / "postmaster.pid", directory / "run" / ".s.PGSQL.5432.lock"]
    for trace in traces:
        trace.write_text(f"{stranger.pid}\n{directory / 'data'}\n1\n5432\n../run\n\n  1 1\nready\n")

    try:
        async with embedded_server(directory) as server:
            assert await _run(server.url, "SELECT word FROM kept") == ["precious"]

        assert stranger.poll() is None
        assert not any(trace.exists() for trace in traces)
    finally:
        stranger.kill()
        stranger.wait()


@pytest.mark.crash
async def test_a_first_start_killed_inside_initdb_is_begun_again(home: Path) -> None:
    draft = home / "postgres" / "data.new"
    with _keeper(home / "postgres") as keeper:
        await _until((draft / "global").exists)
        keeper.kill()
        keeper.wait()
    assert not (home / "postgres" / "data").exists()

    async with embedded_server(home / "postgres") as server:
        assert await _run(server.url, "SELECT current_database()") == [NAME]

    assert not draft.exists()


@pytest.mark.crash
@pytest.mark.parametrize("moment", ["embedded.cluster_created", "embedded.cluster_published"])
async def test_a_first_start_killed_around_its_last_step_is_finished(home: Path, moment: str) -> None:
    with _keeper(home / "postgres", MEDIA_ANALYSIS_TESTING="1", MEDIA_ANALYSIS_FAILPOINT=f"{moment}:1") as keeper:
        assert await asyncio.to_thread(keeper.wait, DEADLINE_SECONDS) == -signal.SIGKILL

    async with embedded_server(home / "postgres") as server:
        assert await _run(server.url, "SELECT current_database()") == [NAME]


async def test_a_start_waits_for_processes_of_a_dead_server(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "NOTICE_SECONDS", 0.05)
    said: list[str] = []
    remnant = os.open(directory / "server.lock", os.O_RDWR)
    fcntl.flock(remnant, fcntl.LOCK_EX)

    start = asyncio.create_task(_start(directory, report=said.append))
    await _until(lambda: any("earlier PostgreSQL" in sentence for sentence in said))
    was_started = (directory / "data" / "postmaster.pid").exists()
    os.close(remnant)
    await start

    assert not was_started


async def test_a_cancelled_start_leaves_nothing_running(home: Path, account: Account) -> None:
    start = asyncio.create_task(_start(home / "postgres"))
    await _until((home / "postgres" / "data.new" / "global").exists)

    start.cancel()
    with suppress(asyncio.CancelledError):
        await start

    assert start.cancelled()
    assert find_postmaster(Cluster(home / "postgres", find_binaries(), account)) is None
    lock = os.open(home / "postgres" / "server.lock", os.O_RDWR)
    await _until(lambda: _is_free(lock))
    os.close(lock)


@contextmanager
def _home() -> Iterator[Path]:
    path = Path(tempfile.mkdtemp(prefix="ma-", dir="/tmp"))
    path.chmod(0o711)
    try:
        yield path
    finally:
        _end_leftovers(path / "postgres")
        shutil.rmtree(path)


def _copy(template: Path, directory: Path) -> Path:
    subprocess.run(["cp", "-a", template, directory], check=True)
    return directory


def _tree(directory: Path) -> dict[Path, os.stat_result]:
    return {path: path.lstat() for path in (directory, *directory.rglob("*"))}


def _open_to_others(directory: Path) -> list[Path]:
    return [path for path, status in _tree(directory).items() if status.st_mode & 0o077]


def _stranger(account: Account) -> subprocess.Popen[bytes]:
    return subprocess.Popen(["sleep", "60"], user=None if account.is_ours else account.uid, cwd="/")


def _end_leftovers(directory: Path) -> None:
    postmaster = find_postmaster(Cluster(directory, Path(), choose_account(None)))
    if postmaster is not None:
        os.kill(postmaster.pid, signal.SIGQUIT)
        while postmaster.is_alive():
            time.sleep(0.02)


@contextmanager
def _keeper(directory: Path, **environment: str) -> Iterator[subprocess.Popen[str]]:
    root = Path(media_analysis.__file__).parents[1]
    with subprocess.Popen(
        [sys.executable, "-c", KEEPER, directory],
        stdout=subprocess.PIPE,
        text=True,
        cwd=root,
        env={**os.environ, **environment},
    ) as keeper:
        try:
            yield keeper
        finally:
            keeper.kill()


def _line(keeper: subprocess.Popen[str]) -> str:
    assert keeper.stdout is not None
    return keeper.stdout.readline().strip()


async def _start(directory: Path, **options: Any) -> None:
    async with embedded_server(directory, **options):
        pass


async def _run(url: str, statement: str) -> list[Any]:
    connection = await asyncpg.connect(url)
    try:
        return [row[0] for row in await connection.fetch(statement)]
    finally:
        await connection.close()


async def _until(reached: Callable[[], bool]) -> None:
    async with asyncio.timeout(DEADLINE_SECONDS):
        while not reached():  # noqa: ASYNC110  # files and processes set no Event
            await asyncio.sleep(0.005)


def _pid(directory: Path) -> int | None:
    with suppress(FileNotFoundError, IndexError, ValueError):
        return int((directory / "data" / "postmaster.pid").read_text().splitlines()[0])
    return None


def _facts(path: Path) -> tuple[int, int, int]:
    status = path.stat()
    return status.st_mode, status.st_uid, status.st_gid


def _is_free(fd: int) -> bool:
    with suppress(BlockingIOError):
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    return False
