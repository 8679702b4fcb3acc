"""Types a page's commands into one bash, from top to bottom, and holds what they print against the page."""

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.docs.pages import ROOT, Command
from tests.processes import link, typed

PAGE_ADDRESS: Final = "127.0.0.1:8000"
"""Where pages expect the service."""
SHELL: Final = "shell.sh"
ANYTHING: Final = "…"
DEADLINE_SECONDS: Final = 180.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a command that was typed."""

    command: Command
    status: int
    printed: str


def type_commands(
    commands: Sequence[Command], *, folder: Path, notes: Path, address: str, environment: Mapping[str, str]
) -> list[Outcome]:
    """Type commands into one shell and return what came of them, up to the first that fails.

    What is typed is the page's own text but for one thing: where the page, or the file it reads first, says
    127.0.0.1:8000 the service of the tests has another port, and what is printed is translated back.
    """
    notes.mkdir()
    for number, command in enumerate(commands):
        (notes / f"{number}.typed").write_text(command.typed.replace(PAGE_ADDRESS, address) + "\n")
    if not (folder / "examples").exists():
        _link(ROOT / "examples", folder / "examples")
    (folder / "examples" / SHELL).unlink()
    (folder / "examples" / SHELL).write_text((ROOT / "examples" / SHELL).read_text().replace(PAGE_ADDRESS, address))
    driver = notes / "driver"
    driver.write_text(_DRIVER.format(notes=notes, last=len(commands) - 1))
    _run(["bash", "--norc", "--noprofile", str(driver)], folder, environment)
    return [
        Outcome(command, _status(notes / f"{number}.status"), printed.read_text().replace(address, PAGE_ADDRESS))
        for number, command in enumerate(commands)
        if (printed := notes / f"{number}.printed").exists()
    ]


def _link(tree: Path, folder: Path) -> None:
    folder.mkdir()
    for entry in tree.iterdir():
        if entry.is_file():
            shutil.copy(entry, folder / entry.name)  # what is a link is not uploaded
        else:
            (folder / entry.name).symlink_to(entry)


def fork_commands(folder: Path) -> dict[str, str]:
    """Let `media-analysis` of a folder be forked with its imports done; return what a shell needs for it."""
    (folder / ".venv").unlink()
    _mirror(ROOT / ".venv", folder / ".venv")
    (folder / ".venv" / "bin").unlink()
    _mirror(ROOT / ".venv" / "bin", folder / ".venv" / "bin")
    program = folder / ".venv" / "bin" / "media-analysis"
    program.unlink()
    program.write_text(f"#!{sys.executable} -IS\n{Path(typed.__file__).read_text()}")
    program.chmod(0o755)
    return {typed.LINK: str(link().fileno())}


def _mirror(tree: Path, folder: Path) -> None:
    folder.mkdir()
    for entry in tree.iterdir():
        (folder / entry.name).symlink_to(entry)


_DRIVER: Final = """
set -o pipefail
for number in $(seq 0 {last}); do
    source {notes}/$number.typed > {notes}/$number.printed 2>&1 < /dev/null
    echo $? > {notes}/$number.status
    [ "$(cat {notes}/$number.status)" = 0 ] || exit 1
done
"""


def _run(command: Sequence[str], folder: Path, environment: Mapping[str, str]) -> None:
    """Run the shell; whatever it started ends with it, and what was forked for it with the tests."""
    kept = [int(environment[typed.LINK])] if typed.LINK in environment else []
    shell = subprocess.Popen(command, cwd=folder, env=dict(environment), start_new_session=True, pass_fds=kept)
    try:
        shell.wait(DEADLINE_SECONDS)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(shell.pid, signal.SIGKILL)
        shell.wait()


def _status(noted: Path) -> int:
    """Return an exit status; -1 stands for a command that had not ended in time."""
    return int(noted.read_text()) if noted.exists() else -1


def complaint(outcome: Outcome) -> str | None:
    """Say what is wrong with what came of a command; None if it is what the page says."""
    command = outcome.command
    if outcome.status != 0:
        return f"{command.place}: exit status {outcome.status}\n$ {command.typed}\n{outcome.printed}"
    if agrees(command.printed, outcome.printed):
        return None
    return f"{command.place}: the page says\n$ {command.typed}\n{command.printed}\n--- printed was\n{outcome.printed}"


def agrees(expected: str, printed: str) -> bool:
    """Whether what was printed is what a page shows.

    `…` stands for anything, nothing and the commas around it included. White space is not compared: pages break long
    lines where it reads well.
    """
    shown = re.split(f",?{ANYTHING},?", _without_space(expected))
    return re.fullmatch(".*?".join(map(re.escape, shown)), _without_space(printed), re.DOTALL) is not None


def _without_space(text: str) -> str:
    return "".join(text.split())
