"""`policy`: what is in force, what another one would do, and applying it."""

import json
import os
import pty
import re
import sys
from pathlib import Path

import pytest

from media_analysis.runtime import Runtime
from media_analysis.storage.category import Category
from tests import processes
from tests.cli.commands import clean, run
from tests.conftest import StoreFile, execute, fetch

SHORT = "storage:\n  retention:\n    frames: 1d\n  owner_quotas:\n    frames: 5GiB\n"


@pytest.fixture
def new(tmp_path: Path) -> Path:
    path = tmp_path / "new.yaml"
    path.write_text(SHORT)
    return path


@pytest.fixture
async def frames(runtime: Runtime, store_file: StoreFile, database: str, environment: dict[str, str]) -> int:
    """Five frames stored two days ago; any of them falling due wants to be confirmed."""
    environment["STORAGE_BREAKER_MIN_FILES"] = "0"
    for number in range(5):
        await store_file(bytes(number + 1), category=Category.FRAMES)
    await execute(
        database,
        "UPDATE media_files SET stored_at = stored_at - interval '2 d', expires_at = expires_at - interval '2 d', "
        "due_at = due_at - interval '2 d'",
    )
    return 5


def written(path: Path, policy: str) -> Path:
    path.write_text(policy)
    return path


async def in_force(runtime: Runtime) -> str:
    return (await runtime.retention.policies.in_force()).policy.version


async def moved(database: str) -> int:
    return len(await fetch(database, "SELECT FROM media_files WHERE expires_at < now()"))


async def test_show_tells_every_rule_and_where_the_policy_is_from(
    runtime: Runtime, new: Path, environment: dict[str, str]
) -> None:
    version = await in_force(runtime)

    before = run("policy", "show", **environment)
    run("policy", "apply", new, **environment)
    after = run("policy", "show", **environment)
    told = json.loads(run("policy", "show", "--json", **environment).stdout)

    assert before.returncode == 0, before.stderr
    assert f"policy {version}, as configured" in before.stdout
    (clips,) = (re.split(r"  +", line.strip()) for line in before.stdout.splitlines() if "clips" in line)
    assert clips == ["clips", "1h", "-", "1.0 GiB", "-", "1.0 GiB", "900.0 MiB", "2", "*/15 * * * *"]
    assert "applied over the configured one" in after.stdout
    (frames,) = (re.split(r"  +", line.strip()) for line in after.stdout.splitlines() if "frames" in line)
    assert frames[4] == "5.0 GiB"
    assert (told["configured"], told["categories"]["frames"]["lifetime_seconds"]) == (False, 86_400)


async def test_a_preview_shows_what_would_move_and_changes_nothing(
    runtime: Runtime, frames: int, new: Path, environment: dict[str, str], database: str
) -> None:
    version = await in_force(runtime)

    shown = run("policy", "preview", new, **environment)
    told = json.loads(run("policy", "preview", new, "--json", **environment).stdout)

    assert shown.returncode == 0, shown.stderr
    assert "lifetime: 30d -> 1d" in shown.stdout
    assert "owner quota bytes: none -> 5" in shown.stdout
    assert "5368709120" not in shown.stdout
    assert f"{frames} files would get other dates; 5 would fall due at once, apply it with --confirm 5" in shown.stdout
    assert "file.bin" in shown.stdout
    assert (told["categories"]["frames"]["newly_due_files"], told["needs_confirmation"]) == (5, True)
    assert (await in_force(runtime), await moved(database)) == (version, 0)


async def test_an_unusual_change_needs_its_number(
    runtime: Runtime, frames: int, new: Path, environment: dict[str, str], database: str
) -> None:
    version = await in_force(runtime)

    refusals = [run("policy", "apply", new, *words, **environment) for words in ((), ("--yes",), ("--confirm", "4"))]
    untouched = (await in_force(runtime), await moved(database))
    applied = run("policy", "apply", new, "--confirm", "5", **environment)
    again = run("policy", "apply", new, **environment)

    for refused in refusals:
        assert refused.returncode == 1
        assert "confirm with '5'" in refused.stderr
    assert untouched == (version, 0)
    assert applied.returncode == 0, applied.stderr
    assert "is in force; files with other dates: 5 in frames" in applied.stdout
    assert await moved(database) == 5
    assert again.returncode == 0
    assert "files with other dates: none" in again.stdout


@pytest.mark.parametrize(
    ("policy", "complaint"),
    [
        ("storage:\n  retention:\n    frame: 1d\n", "storage.retention.frame"),
        ("storage:\n  retention:\n    frames: soon\n", "new.yaml:3"),
        (
            SHORT + "  policy_tests:\n    - {name: a week, category: frames, age: 6d, expect: keep}\n",
            "expected keep, got delete by category_lifetime",
        ),
        ("storage: [", "not valid YAML"),
    ],
    ids=["unknown", "bad value", "failing test", "no YAML"],
)
async def test_a_policy_that_is_refused_leaves_the_previous_in_force(
    runtime: Runtime, new: Path, environment: dict[str, str], policy: str, complaint: str
) -> None:
    version = await in_force(runtime)

    refused = run("policy", "apply", written(new, policy), **environment)

    assert refused.returncode == 1
    assert complaint in refused.stderr
    assert "Traceback" not in refused.stderr
    assert await in_force(runtime) == version


def test_a_missing_file_is_refused(runtime: Runtime, tmp_path: Path, environment: dict[str, str]) -> None:
    refused = run("policy", "preview", tmp_path / "nowhere.yaml", **environment)

    assert refused.returncode == 1
    assert "nowhere.yaml" in refused.stderr


def at_a_terminal(typed: str, *arguments: str | Path, **environment: str) -> tuple[int, str]:
    """Run a command with somebody typing, and return its exit code and what it printed on standard output."""
    ours, its = pty.openpty()
    os.write(ours, typed.encode())
    try:
        ended = processes.run(*arguments, environment=clean(environment), stdin=its)
    finally:
        os.close(ours)
        os.close(its)
    return ended.returncode, ended.stdout.decode()


@pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal")
async def test_on_a_terminal_the_number_is_asked_for(
    runtime: Runtime, frames: int, new: Path, environment: dict[str, str], database: str
) -> None:
    refused, _ = at_a_terminal("4\n", "policy", "apply", new, "--yes", **environment)
    untouched = await moved(database)
    confirmed, printed = at_a_terminal("5\n", "policy", "apply", new, **environment)

    assert (refused, untouched) == (1, 0)
    assert confirmed == 0
    assert "lifetime: 30d -> 1d" in printed
    assert await moved(database) == 5


async def test_on_a_terminal_an_ordinary_change_is_asked_for_unless_told_yes(
    runtime: Runtime, new: Path, environment: dict[str, str]
) -> None:
    version = await in_force(runtime)

    declined, _ = at_a_terminal("n\n", "policy", "apply", new, **environment)
    untouched = await in_force(runtime)
    applied, _ = at_a_terminal("", "policy", "apply", new, "--yes", **environment)

    assert (declined, untouched) == (1, version)
    assert applied == 0
    assert await in_force(runtime) != version


async def test_a_command_with_settings_of_its_own_leaves_the_policy_in_force(
    runtime: Runtime, environment: dict[str, str]
) -> None:
    version = await in_force(runtime)

    done = run("sweep", **environment, STORAGE_RETENTION_FRAMES="1d")

    assert done.returncode == 0
    assert await in_force(runtime) == version
