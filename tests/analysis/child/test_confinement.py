"""What a task can reach from inside its walls."""

import os
import socket
from pathlib import Path

import pytest

from media_analysis.analysis.child.privileges import NOBODY
from media_analysis.analysis.child.protocol import ResultMade
from media_analysis.analysis.task import Source
from tests.analysis.child.conftest import Run, collect


async def document(run: Run, act: str, **orders: object) -> dict[str, object]:
    (result,) = await collect(run(act, **orders))
    assert isinstance(result, ResultMade)
    return result.document


async def test_the_network_is_out_of_reach(run: Run) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)

        told = await document(run, "reach_out", number=listener.getsockname()[1])

        with pytest.raises(BlockingIOError):
            listener.accept()
    assert told == {"outcomes": ["PermissionError"] * 3 + ["-1"]}


async def test_no_other_program_is_started_and_none_is_signalled_slowed_down_or_pinned(run: Run) -> None:
    told = await document(run, "fork")

    assert told == {"outcomes": ["PermissionError"] * 8}, "and root is no root any more"


async def test_no_file_is_made_changed_or_removed(run: Run, tmp_path: Path) -> None:
    old = tmp_path / "old"
    old.write_text("old")
    before = sorted(os.listdir(tmp_path))  # noqa: PTH208

    told = await document(run, "write", words=[str(tmp_path)])

    assert told == {"outcomes": ["PermissionError"] * 7}
    assert sorted(os.listdir(tmp_path)) == before  # noqa: PTH208
    assert (old.read_text(), old.stat().st_mode & 0o777) == ("old", 0o644)


async def test_no_file_is_read_but_the_sources(run: Run, source: Source, tmp_path: Path) -> None:
    neighbour = source.path.with_name("neighbour.bin")
    neighbour.write_bytes(b"somebody else's")
    secret = tmp_path / "password"
    secret.write_text("secret")
    wanted = [
        source.path,
        neighbour,
        secret,
        "/etc/passwd",
        "/proc/1/environ",
        f"/proc/{os.getpid()}/environ",
    ]

    told = await document(run, "read", words=list(map(str, wanted)))

    assert told == {"outcomes": ["b'source'"] + ["PermissionError"] * 5}


async def test_the_secrets_of_the_service_are_not_handed_down(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://somebody:secret@somewhere/there")
    monkeypatch.setenv("ADMIN_TOKEN", "mas_secret")

    told = await document(run, "surroundings")

    environment = told["environment"]
    assert isinstance(environment, dict)
    assert set(environment) <= {"LANG", "LC_ALL", "LC_CTYPE", "LD_LIBRARY_PATH", "TZ", "PYTHONPATH", "OMP_NUM_THREADS"}
    assert "mas_secret" not in str(environment)


async def test_nothing_of_the_service_is_open_in_a_child(run: Run, tmp_path: Path) -> None:
    with (tmp_path / "open").open("wb") as inheritable:
        told = await document(run, "surroundings")

        assert inheritable.fileno() > 2
    descriptors = told["descriptors"]
    assert isinstance(descriptors, list)
    # Standard streams, the pipe of messages, and the one that lists them.
    assert len(descriptors) == 5


@pytest.mark.skipif(os.geteuid() != 0, reason="who is not root has nothing to give up")
async def test_a_child_of_root_is_root_no_more_and_reads_its_source_all_the_same(run: Run, source: Source) -> None:
    source.path.chmod(0o600)
    source.path.parent.chmod(0o700)

    told = await document(run, "surroundings")
    read = await document(run, "read", words=[str(source.path)])

    assert (told["users"], told["groups"]) == ([NOBODY] * 3, [NOBODY] * 3)
    assert read == {"outcomes": ["b'source'"]}


async def test_a_child_stands_apart_and_behind(run: Run) -> None:
    told = await document(run, "surroundings")

    assert (told["folder"], told["group"], told["niceness"], told["policy"]) == ("/", True, 5, os.SCHED_OTHER)


async def test_a_child_loads_no_database_and_no_web_framework(run: Run) -> None:
    told = await document(run, "surroundings")

    modules = told["modules"]
    assert isinstance(modules, list)
    assert {"sqlalchemy", "asyncpg", "fastapi", "starlette", "structlog"} & set(modules) == set()


async def test_nothing_beside_the_packages_of_a_checkout_is_read(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkout = tmp_path / "checkout"
    for name in ("package/__init__.py", "settings.yaml", ".env", "var/password", "module.py"):
        path = checkout / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("")
    monkeypatch.syspath_prepend(checkout)
    wanted = ("package/__init__.py", "module.py", "settings.yaml", ".env", "var/password")

    told = await document(run, "read", words=[str(checkout / name) for name in wanted])

    assert told == {"outcomes": ["b''"] * 2 + ["PermissionError"] * 3}
