"""`scripts/bootstrap` in a small tree of its own: no dependencies, a build backend of twenty lines, no network."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LOCKS = ("requirements.lock", "requirements-dev.lock", "requirements-samples.lock")
PYPROJECT = """
[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]
[project]
name = "small"
version = "1"
scripts = { small = "small:main" }
"""
BACKEND = """
import pathlib, zipfile

def build_editable(wheel_directory, config_settings=None, metadata_directory=None):
    name, about = "small-1-py3-none-any.whl", "small-1.dist-info"
    files = {
        "small.pth": str(pathlib.Path.cwd()),
        f"{about}/METADATA": "Metadata-Version: 2.1\\nName: small\\nVersion: 1\\n",
        f"{about}/WHEEL": "Wheel-Version: 1.0\\nGenerator: test\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n",
        f"{about}/entry_points.txt": "[console_scripts]\\nsmall = small:main\\n",
    }
    files[f"{about}/RECORD"] = "".join(f"{file},,\\n" for file in (*files, f"{about}/RECORD"))
    with zipfile.ZipFile(pathlib.Path(wheel_directory, name), "w") as wheel:
        for file, text in files.items():
            wheel.writestr(file, text)
    return name
"""
SMALL = "import pathlib\n\n\ndef main():\n    print(pathlib.Path(__file__).parent)\n"


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    tree = tmp_path / "a checkout"
    (tree / "scripts").mkdir(parents=True)
    shutil.copy(ROOT / "scripts/bootstrap", tree / "scripts/bootstrap")
    for lock in LOCKS:
        (tree / lock).write_text("")
    for name, text in {"pyproject.toml": PYPROJECT, "backend.py": BACKEND, "small.py": SMALL}.items():
        (tree / name).write_text(text)
    return tree


def environment(tmp_path: Path, **more: str) -> dict[str, str]:
    """Name the Python that runs the tests, and hide any uv and any configuration of pip's."""
    plain = {name: value for name, value in os.environ.items() if not name.startswith(("PIP_", "UV_", "VIRTUAL_ENV"))}
    nothing = {"PIP_CONFIG_FILE": os.devnull, "PIP_NO_INDEX": "1", "TMPDIR": str(tmp_path)}
    return plain | nothing | {"PYTHON": sys.executable, "PATH": "/usr/bin:/bin"} | more


def bootstrap(checkout: Path, *flavour: str, **more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [checkout / "scripts/bootstrap", *flavour],
        env=environment(checkout.parent, **more),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def small(checkout: Path) -> str:
    return subprocess.check_output([checkout / ".venv/bin/small"], text=True, cwd="/").strip()


def test_it_installs_once_and_again_where_the_checkout_was_moved_to(checkout: Path) -> None:
    first, second = bootstrap(checkout), bootstrap(checkout)
    before = small(checkout)
    moved = checkout.rename(checkout.with_name("moved"))
    third = bootstrap(moved)

    assert [ended.returncode for ended in (first, second, third)] == [0, 0, 0], first.stderr + third.stderr
    assert first.stderr.splitlines()[1:] == [
        "installing the runtime dependencies from requirements.lock (once; about a minute)"
    ]
    assert (second.stdout, second.stderr) == ("", "")
    assert f"the checkout was moved here from {checkout}, so .venv is made anew" in third.stderr
    assert (before, small(moved)) == (str(checkout), str(moved))


def test_interrupted_it_says_so_and_what_cannot_be_installed_is_told_in_full(checkout: Path) -> None:
    with subprocess.Popen(
        ["setsid", "--wait", checkout / "scripts/bootstrap"],
        env=environment(checkout.parent),
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),  # noqa: PLW1509
    ) as running:
        _wait_for(checkout / ".venv/bin/python", running)
        os.killpg(_group_of(running), signal.SIGINT)
        _, said = running.communicate(timeout=60)
    (checkout / "requirements.lock").write_text(f"missing-distribution==1 --hash=sha256:{'0' * 64}\n")
    refused = bootstrap(checkout)

    assert running.returncode == 130
    assert "Traceback" not in said
    assert said.splitlines()[-1] == "interrupted; the next call begins again"
    assert refused.returncode == 1
    assert refused.stderr.startswith("creating .venv with")
    assert "No matching distribution found for missing-distribution==1" in refused.stderr
    assert refused.stderr.splitlines()[-1].startswith("bootstrap: the dependencies could not be installed")
    assert not (checkout / ".venv/.runtime").exists()


def _wait_for(path: Path, running: subprocess.Popen[str]) -> None:
    while not path.exists():
        assert running.poll() is None
        time.sleep(0.01)


def _group_of(running: subprocess.Popen[str]) -> int:
    """Return the group that a terminal's ^C reaches: that of the script `setsid` started."""
    children = Path(f"/proc/{running.pid}/task/{running.pid}/children").read_text().split()
    return os.getpgid(int(children[0])) if children else running.pid


def test_without_a_python_it_says_what_is_needed(checkout: Path, tmp_path: Path) -> None:
    tools = tmp_path / "tools"
    tools.mkdir()
    for name in ("env", "bash", "dirname", "cat", "cksum", "mktemp", "rm", "flock"):
        found = shutil.which(name)
        assert found is not None
        (tools / name).symlink_to(found)

    refused = bootstrap(checkout, PYTHON="", PATH=str(tools))

    assert refused.returncode == 1
    assert refused.stderr == (
        "bootstrap: media-analysis needs Python 3.11 or newer, and none was found; set PYTHON=/path/to/python\n"
    )
    assert not (checkout / ".venv").exists()


def test_an_unknown_flavour_is_refused(checkout: Path) -> None:
    refused = bootstrap(checkout, "production")

    assert (refused.returncode, refused.stderr) == (
        1,
        "bootstrap makes a runtime or a dev environment, not: production\n",
    )
