"""The unit file that operators copy is one that systemd takes."""

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.processes import ROOT

UNIT = ROOT / "examples/systemd/media-analysis.service"


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not there to ask")
def test_systemd_accepts_the_unit_file(tmp_path: Path) -> None:
    here = (
        UNIT.read_text().replace("/srv/media-analysis/checkout", str(ROOT)).replace("User=media-analysis", "User=root")
    )
    (tmp_path / UNIT.name).write_text(here)

    said = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", tmp_path / UNIT.name], capture_output=True, text=True, check=False
    )

    assert said.returncode == 0, said.stderr
    assert UNIT.name not in said.stderr
