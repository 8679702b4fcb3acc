"""Programs of others that tests run, and packages of others that they install."""

import asyncio
import fcntl
import os
import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest

PATIENCE = 300
NPM = ("npm", "install", "--no-audit", "--no-fund", "--no-package-lock", "--loglevel", "error")


async def run(*command: object, folder: Path, **environment: str) -> str:
    """Run a program in a folder and return what it printed; it has to end well."""
    running = await asyncio.create_subprocess_exec(
        *map(str, command),
        cwd=folder,
        env={**os.environ, **environment},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        printed, complained = await asyncio.wait_for(running.communicate(), PATIENCE)
    finally:
        if running.returncode is None:
            running.kill()
    assert running.returncode == 0, (printed + complained).decode()[-4_000:]
    return printed.decode()


async def installed(factory: pytest.TempPathFactory, kind: str, command: Sequence[object]) -> Path:
    """Return the folder in which a command installed packages, once for all workers of these tests."""
    base = factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / f"packages of {kind}"
    folder.mkdir(exist_ok=True)
    with (folder / "lock").open("w") as lock:
        await asyncio.to_thread(fcntl.flock, lock, fcntl.LOCK_EX)
        if not (folder / "whole").exists():
            (folder / "package.json").write_text("{}")
            try:
                await run(*command, folder=folder)
            except (AssertionError, TimeoutError) as error:
                pytest.skip(f"packages of {kind} cannot be installed: {str(error)[:200]}")
            (folder / "whole").touch()
    return folder


async def install_from_npm(factory: pytest.TempPathFactory, kind: str, packages: Sequence[str]) -> Path:
    """Return the folder in which npm installed packages."""
    required("npm", "node")
    return await installed(factory, kind, [*NPM, *packages])


def required(*programs: str) -> None:
    """Skip a test whose programs are not here."""
    if missing := [program for program in programs if shutil.which(program) is None]:
        pytest.skip(f"not installed: {', '.join(missing)}")
