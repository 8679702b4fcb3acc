"""`scripts/engine`: where it cannot help, it says what is missing and changes nothing."""

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.processes import ROOT
from tests.scripts.test_compose_file import COMPOSE, GATEWAY

NEEDED = ("bash", "dirname", "env", "id", "mktemp", "realpath", "rm")
"""What the script itself asks for, on a machine that has neither docker nor Debian's package manager."""


@pytest.fixture
def elsewhere(tmp_path: Path) -> Path:
    """A search path of a machine without an engine."""
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in NEEDED:
        (programs / name).symlink_to(shutil.which(name) or name)
    return programs


def asked(elsewhere: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [str(ROOT / "scripts" / "engine"), *arguments]
    return subprocess.run(command, env={"PATH": str(elsewhere)}, capture_output=True, text=True, check=False)


def test_an_engine_that_cannot_be_had_is_asked_for(elsewhere: Path, tmp_path: Path) -> None:
    done = asked(elsewhere, "start", str(tmp_path / "engine"))

    assert done.returncode == 1
    assert done.stdout == ""
    assert "no container engine answers: start yours" in done.stderr
    assert not (tmp_path / "engine").exists()


def test_images_that_cannot_be_had_are_named(elsewhere: Path) -> None:
    done = asked(elsewhere, "images")

    assert done.returncode == 1
    gateway = COMPOSE["services"][GATEWAY]["image"].removeprefix("${S3_IMAGE:-").removesuffix("}")
    named = f"python:3.11-slim-bookworm, postgres:15 and {gateway}"
    assert f"{named} can neither be pulled nor made here" in done.stderr


def test_stopping_what_was_never_started_is_no_fault(elsewhere: Path, tmp_path: Path) -> None:
    assert asked(elsewhere, "stop", str(tmp_path / "engine")).returncode == 0
