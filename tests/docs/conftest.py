"""The reader of the manual: a shell in a fresh checkout, and the service that the README starts."""

import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.acceptance.service import DEADLINE_SECONDS, wait_until
from tests.cli.commands import clean, home_of_a_service
from tests.docs.pages import ROOT

READY = re.compile(r"ready at http://(\S+)[^\n]*\nadmin token in .+\n")
TOOLS = ("bash", "curl", "openssl", "tar")
"""What a reader has to have to type every page."""
CHECKOUT = (".venv", "docs", "scripts")


@dataclass(frozen=True, slots=True)
class Reader:
    """Where commands are typed, and the service they speak to."""

    folder: Path
    address: str
    environment: Mapping[str, str]
    started: str
    """What the service printed until it was ready."""


@pytest.fixture(scope="session")
def serve() -> Iterator[tuple[Path, str, str]]:
    """`scripts/serve`, typed once for all pages, on a data directory and a port of its own; yields all three."""
    if missing := [tool for tool in TOOLS if shutil.which(tool) is None]:
        pytest.skip(f"not installed: {', '.join(missing)}")
    with home_of_a_service() as data_dir:
        log = data_dir.parent / "printed"
        environment = clean({"MEDIA_ANALYSIS_DATA_DIR": str(data_dir), "SERVER_PORT": "0"})
        with (
            log.open("wb") as output,
            subprocess.Popen(["scripts/serve"], cwd=ROOT, env=environment, stdout=output, stderr=output) as process,
        ):
            try:
                wait_until(lambda: process.poll() is not None or bool(READY.search(log.read_text())), "scripts/serve")
                printed = log.read_text()
                ready = READY.search(printed)
                assert ready is not None, printed
                yield data_dir, ready[1], printed
            finally:
                process.terminate()
                process.wait(DEADLINE_SECONDS)


@pytest.fixture
def reader(serve: tuple[Path, str, str], tmp_path: Path) -> Reader:
    """A fresh folder that looks like the checkout in which `scripts/serve` runs: what pages write stays in it."""
    data_dir, address, started = serve
    folder = tmp_path / "media-analysis"
    folder.mkdir()
    for name in CHECKOUT:
        (folder / name).symlink_to(ROOT / name)
    (folder / "var").symlink_to(data_dir)
    settled = {"MEDIA_ANALYSIS_DATA_DIR": str(data_dir), "SERVER_PORT": address.rpartition(":")[2]}
    homes = {"XDG_CONFIG_HOME": str(tmp_path / "config"), "XDG_STATE_HOME": str(tmp_path / "state")}
    terminal = {"COLUMNS": "80", "TERM": "dumb", "LC_ALL": "C.UTF-8"}
    return Reader(folder, address, clean(settled | homes | terminal), started)
