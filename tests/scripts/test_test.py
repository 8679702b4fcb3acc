"""`scripts/test` in a small tree of its own: what fails among the others is tried once more, alone."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PYPROJECT = """
[tool.pytest.ini_options]
markers = ["large: many rows", "containers: an engine"]
"""
STUMBLES = """
from pathlib import Path

def test_stumbles_once():
    seen = Path(__file__).with_suffix(".seen")
    before = seen.exists()
    seen.touch()
    assert before

def test_stands():
    pass
"""
FALLS = """
import pytest

@pytest.mark.parametrize("number", range({count}))
def test_falls(number):
    assert False

def test_stands():
    pass
"""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    tree = tmp_path / "a checkout"
    (tree / "scripts").mkdir(parents=True)
    (tree / "tests").mkdir()
    shutil.copy(ROOT / "scripts/test", tree / "scripts/test")
    # The environment is the one that runs this.
    bootstrap = tree / "scripts/bootstrap"
    bootstrap.write_text("#!/bin/sh\n")
    bootstrap.chmod(0o755)
    (tree / ".venv").symlink_to(sys.prefix)
    (tree / "pyproject.toml").write_text(PYPROJECT)
    return tree


def run(checkout: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([checkout / "scripts/test"], capture_output=True, text=True, check=False, timeout=300)


def test_what_stumbles_once_is_named_and_the_run_is_green(checkout: Path) -> None:
    (checkout / "tests/test_small.py").write_text(STUMBLES)

    ran = run(checkout)

    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "FAILED tests/test_small.py::test_stumbles_once" in ran.stdout
    assert "test: 1 failed among the others; once more, alone" in ran.stdout
    assert ran.stdout.count("test_stands") == 0, "what passed is not run again"


@pytest.mark.parametrize(("count", "again"), [(3, True), (4, False)])
def test_what_falls_alone_too_is_red_and_many_are_not_tried_again(checkout: Path, count: int, *, again: bool) -> None:
    (checkout / "tests/test_small.py").write_text(FALLS.format(count=count))

    ran = run(checkout)

    assert ran.returncode == 1, ran.stdout + ran.stderr
    assert ("once more, alone" in ran.stdout) is again
