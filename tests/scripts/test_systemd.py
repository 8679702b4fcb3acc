"""The unit files that operators copy are such as systemd takes, and an unprivileged user installs what they start."""

import os
import pwd
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.acceptance.service import DEADLINE_SECONDS, wait_until
from tests.processes import ROOT

UNITS = sorted((ROOT / "examples/systemd").glob("*.service"))
UNIT = ROOT / "examples/systemd/media-analysis.service"
PLACE = "/srv/media-analysis"
WITHOUT_RIGHTS = ("--clear-groups", "--no-new-privs", "--bounding-set", "-all", "--inh-caps", "-all")
READY = re.compile(r"ready at (http://\S+)")


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not there to ask")
@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_systemd_accepts_the_unit_file(unit: Path, tmp_path: Path) -> None:
    here = unit.read_text().replace(f"{PLACE}/checkout", str(ROOT)).replace("User=media-analysis", "User=root")
    copy = tmp_path / unit.name.replace("@", "@1")
    copy.write_text(here)

    said = subprocess.run(["systemd-analyze", "verify", "--man=no", copy], capture_output=True, text=True, check=False)

    assert said.returncode == 0, said.stderr
    assert copy.name not in said.stderr


@pytest.fixture
def home() -> Iterator[Path]:
    """A home of an ordinary user who owns nothing else, with a checkout of what git knows here."""
    if os.geteuid() != 0 or shutil.which("setpriv") is None or shutil.which("git") is None:
        pytest.skip("only root becomes another user, by setpriv; and git is needed")
    with tempfile.TemporaryDirectory(prefix="ma-", dir="/tmp") as made:
        place, nobody = Path(made), pwd.getpwnam("nobody")
        listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout
        for name in filter(None, listed.decode().split("\0")):
            target = place / "checkout" / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, target)
        subprocess.run(["chown", "-R", f"{nobody.pw_uid}:{nobody.pw_gid}", place], check=True)
        yield place


@pytest.mark.large
def test_an_unprivileged_user_installs_and_runs_what_the_unit_starts(home: Path) -> None:
    nobody = pwd.getpwnam("nobody")
    become = ["setpriv", "--reuid", str(nobody.pw_uid), "--regid", str(nobody.pw_gid), *WITHOUT_RIGHTS]
    unit = UNIT.read_text().replace(PLACE, str(home))
    (start,) = re.findall(r"^ExecStart=(.+)$", unit, re.MULTILINE)
    (about,) = re.findall(r"^Environment=(.+)$", unit, re.MULTILINE)
    told = dict(word.partition("=")[::2] for word in about.split())
    inherited = {name: value for name, value in os.environ.items() if name.startswith(("PIP_", "LANG", "UV_", "PATH"))}
    environment = {**inherited, "HOME": str(home), **told, "SERVER_PORT": "0"}
    folder, log = home / "checkout", home / "log"

    subprocess.run([*become, "scripts/bootstrap"], cwd=folder, env=environment, check=True)
    with (
        log.open("wb") as output,
        subprocess.Popen([*become, *start.split()], cwd=folder, env=environment, stderr=output) as service,
    ):
        try:
            wait_until(lambda: service.poll() is not None or bool(READY.search(log.read_text())), "the service")
            ready = READY.search(log.read_text())
            assert ready, log.read_text()
            answer = httpx.get(f"{ready[1]}/readyz", timeout=DEADLINE_SECONDS)
            doctor = subprocess.run(
                [*become, "scripts/verify-installation"], cwd=folder, env=environment, capture_output=True, check=False
            )
        finally:
            service.terminate()
            service.wait(DEADLINE_SECONDS)

    assert answer.json()["ready"] is True
    assert doctor.returncode == 0, doctor.stdout
    assert service.returncode == 0
