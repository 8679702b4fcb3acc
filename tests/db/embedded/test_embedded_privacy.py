"""The embedded server is closed to everybody but its account and its password."""

import os
import pwd
import stat
from pathlib import Path

import asyncpg
import pytest

from media_analysis.db.embedded import embedded_server
from media_analysis.db.embedded.account import OsAccount
from media_analysis.db.embedded.cluster import NAME
from media_analysis.errors import EmbeddedServerFailed
from tests.db.embedded.servers import Running, facts_of, open_to_others, pid_of, run_statement, start_and_stop, tree_of


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

    found = {name: (await run_statement(server.url, f"SHOW {name}"))[0] for name in wanted}

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


async def test_everything_belongs_to_the_account_and_is_closed_to_others(running: Running, account: OsAccount) -> None:
    directory, server = running

    found = tree_of(directory)

    assert {status.st_uid for status in found.values()} == {account.uid}
    assert open_to_others(directory) == []
    assert (directory / "password").read_text() not in repr(server)


async def test_parents_stay_as_they_are_and_new_ones_are_passable(home: Path) -> None:
    before = {parent: facts_of(parent) for parent in (home, *home.parents)}
    umask = os.umask(0o077)

    try:
        async with embedded_server(home / "data" / "dir" / "postgres"):
            pass
    finally:
        os.umask(umask)

    assert {parent: facts_of(parent) for parent in before} == before
    assert [stat.S_IMODE((home / new).stat().st_mode) for new in ("data", "data/dir")] == [0o755, 0o755]


async def test_widened_modes_are_mended(directory: Path) -> None:
    for name, mode in {".": 0o755, "run": 0o777, "log": 0o755, "data": 0o755, "password": 0o644}.items():
        (directory / name).chmod(mode)

    await start_and_stop(directory)

    assert open_to_others(directory) == []


@pytest.mark.parametrize("name", [".", "run"])
async def test_a_symlink_in_place_of_a_directory_is_refused(directory: Path, home: Path, name: str) -> None:
    place = directory / name
    place.rename(home / "moved")
    place.symlink_to(home / "moved")

    with pytest.raises(EmbeddedServerFailed, match="not a directory of its own"):
        await start_and_stop(directory)


async def test_trust_in_the_access_rules_is_taken_out_again(directory: Path, account: OsAccount) -> None:
    rules = directory / "data" / "pg_hba.conf"
    rules.write_text("local all all trust\n")

    async with embedded_server(directory) as server:
        loaded = await run_statement(server.url, "SELECT array_agg(auth_method) FROM pg_hba_file_rules")

    assert loaded == [["scram-sha-256"]]
    assert rules.read_text() == "local all all scram-sha-256\n"
    assert (rules.stat().st_uid, stat.S_IMODE(rules.stat().st_mode)) == (account.uid, 0o600)


async def test_a_lost_password_is_refused_in_words(directory: Path) -> None:
    (directory / "password").unlink()

    with pytest.raises(EmbeddedServerFailed, match="password is missing"):
        await start_and_stop(directory)


async def test_another_password_is_refused_in_words(directory: Path) -> None:
    (directory / "password").write_text("another")

    with pytest.raises(EmbeddedServerFailed, match="does not accept the password"):
        await start_and_stop(directory)

    assert not (directory / "data" / "postmaster.pid").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root chooses accounts")
@pytest.mark.parametrize(("name", "reason"), [("root", "refuses to run as root"), ("no-such", "no such account")])
async def test_an_unfit_account_is_refused(home: Path, name: str, reason: str) -> None:
    with pytest.raises(EmbeddedServerFailed, match=reason):
        await start_and_stop(home / "postgres", account=name)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root chooses accounts")
async def test_a_directory_of_another_account_is_refused(directory: Path) -> None:
    with pytest.raises(EmbeddedServerFailed, match=f"{directory} belongs to 'postgres', but 'nobody'"):
        await start_and_stop(directory, account="nobody")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root chooses accounts")
async def test_the_named_account_runs_the_server(home: Path) -> None:
    async with embedded_server(home / "postgres", account="nobody"):
        postmaster = facts_of(Path("/proc", str(pid_of(home / "postgres"))))

    nobody = pwd.getpwnam("nobody").pw_uid
    assert postmaster[1] == nobody
    assert {status.st_uid for status in tree_of(home / "postgres").values()} == {nobody}
