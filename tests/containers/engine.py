"""The container engine that tests drive by its own program, and what they leave there for nobody."""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

from tests.processes import ROOT

PREFIX: Final = "media-analysis-test-"
"""Of the projects that tests make; the id of their process follows, and what it is for where there are several."""
PROJECT: Final = "com.docker.compose.project"
IMAGE: Final = "media-analysis:0.1.0"
BASE: Final = os.environ.get("TEST_BASE_IMAGE", "python:3.11-slim-bookworm")
POSTGRES: Final = os.environ.get("TEST_POSTGRES_IMAGE", "postgres:15")
"""The oldest that is supported; what is embedded is the newest."""
GATEWAY: Final = os.environ.get("TEST_S3_IMAGE", "")
GATEWAY_COMMAND: Final = os.environ.get("TEST_S3_COMMAND", "")
"""What compose.yaml takes for S3_IMAGE and S3_COMMAND; nothing is what stands there."""
DEADLINE_SECONDS: Final = 600.0
_SHIM: Final = '#!/bin/sh\n[ "$1" = compose ] && shift && exec docker-compose "$@"\nexec {docker} "$@"\n'


def run(*command: str | Path, environment: Mapping[str, str] | None = None, folder: Path = ROOT) -> str:
    """Run a program to its end and return what it printed; fails with all of it when that was no success."""
    done = subprocess.run(
        command,
        cwd=folder,
        env=dict(environment) if environment is not None else None,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=DEADLINE_SECONDS,
        check=False,
    )
    assert done.returncode == 0, f"{command}: {done.returncode}\n{done.stdout}{done.stderr}"
    return done.stdout


def docker(*arguments: str | Path) -> str:
    return run("docker", *arguments)


def project(part: str = "") -> str:
    """Return the name of the project of this process, or of a part of it, by which all it makes is found again."""
    return f"{PREFIX}{os.getpid()}{part}"


def inspected(name: str) -> Any:
    """Return what the engine knows of a container, an image or a volume."""
    (found,) = json.loads(docker("inspect", name))
    return found


@cache
def missing() -> str | None:
    """Say why there is no engine; None if one answers."""
    if shutil.which("docker") is None:
        return "docker is not installed"
    asked = subprocess.run(["docker", "version"], capture_output=True, text=True, timeout=30, check=False)
    return None if asked.returncode == 0 else f"no container engine answers: {asked.stderr.strip()}"


@cache
def missing_compose() -> str | None:
    """Say why there is no compose; None if there is one, as a plugin or as a program of its own."""
    return None if _has_plugin() or shutil.which("docker-compose") else "docker compose is not installed"


def _has_plugin() -> bool:
    if shutil.which("docker") is None:
        return False
    return subprocess.run(["docker", "compose", "version"], capture_output=True, check=False).returncode == 0


def path_with_compose(folder: Path) -> str:
    """Return a search path on which `docker compose` is there, whichever way compose was installed."""
    if not _has_plugin():
        folder.mkdir(exist_ok=True)
        (folder / "docker").write_text(_SHIM.format(docker=shutil.which("docker") or "docker"))
        (folder / "docker").chmod(0o755)
    return f"{folder}:{os.environ['PATH']}"


def build(context: Path, tag: str) -> None:
    """Build an image; without BuildKit, whose front end would have to be fetched."""
    run(
        *("docker", "build", "--quiet", "--build-arg", f"BASE={BASE}", "--tag", tag, context),
        environment={**os.environ, "DOCKER_BUILDKIT": "0"},
    )


@dataclass(frozen=True, slots=True)
class Found:
    """A container, network or volume of a project."""

    kind: str
    name: str
    project: str

    @property
    def is_left(self) -> bool:
        """Whether it is of tests that are over."""
        pid = self.project.removeprefix(PREFIX).partition("-")[0]
        return self.project.startswith(PREFIX) and not Path(f"/proc/{pid}").exists()

    def remove(self) -> None:
        force = {"container": ["--force", "--volumes"], "volume": ["--force"], "network": []}[self.kind]
        docker(self.kind, "rm", *force, self.name)


def labelled(kind: str) -> Iterator[Found]:
    """Yield what has the label of a project, whether compose or a test gave it."""
    names = ["--all"] if kind == "container" else []
    column = "{{.ID}}" if kind != "volume" else "{{.Name}}"
    listed = docker(
        kind, "ls", *names, "--filter", f"label={PROJECT}", "--format", f'{column} {{{{.Label "{PROJECT}"}}}}'
    )
    for line in listed.splitlines():
        name, _, project = line.partition(" ")
        yield Found(kind, name, project)


def remove_leftovers(*, project: str | None = None) -> None:
    """Remove what a project has, or what killed runs of tests left behind."""
    for kind in ("container", "network", "volume"):
        for found in labelled(kind):
            if found.project == project or found.is_left:
                found.remove()
