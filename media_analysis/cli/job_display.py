"""How a job goes, event by event: a bar in a terminal, a line for each event to anything else."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, Self

from rich.console import Console
from rich.text import Text

from media_analysis.characters import escape_controls
from media_analysis.cli.console import out

if TYPE_CHECKING:
    from rich.progress import Progress

STYLES: Final = {"completed": "bold green", "failed": "bold red", "cancelled": "bold yellow"}


class JobDisplay:
    """Shows events in the order it is told them; `status` is the last one it heard of."""

    def __init__(self, console: Console = out) -> None:
        from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

        self.status: str | None = None
        self._console = console
        self._bar: Progress | None = None
        if console.is_terminal:
            columns = (
                TextColumn("{task.description:<12}", markup=False),
                BarColumn(bar_width=None),
                TaskProgressColumn(),
                TextColumn("{task.fields[count]}"),
                TimeElapsedColumn(),
            )
            self._bar = Progress(*columns, console=console, expand=True)
            self._task = self._bar.add_task("waiting", total=1.0, count="")

    def __enter__(self) -> Self:
        if self._bar is not None:
            self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()

    def tell(self, kind: str, said: Mapping[str, Any], at: datetime) -> None:
        """Show one event."""
        if kind == "status":
            self.status = said.get("status")
        if kind == "progress" and self._bar is not None:
            self._bar.update(
                self._task,
                completed=said["progress"],
                description=escape_controls(said["stage"] or ""),
                count=_count(said),
            )
            return
        if self._bar is not None and self.status == "completed":
            self._bar.update(self._task, completed=1.0)
        style = STYLES.get(self.status or "", "") if kind == "status" else ""
        self._console.print(
            Text.assemble((f"{at:%H:%M:%S} ", "dim"), (escape_controls(sentence_of(kind, said)), style)), soft_wrap=True
        )


def sentence_of(kind: str, said: Mapping[str, Any]) -> str:
    """Return an event as a sentence."""
    match kind:
        case "progress":
            return " ".join(filter(None, (f"{said['progress']:4.0%}", said["stage"], _count(said))))
        case "warning":
            return f"warning {said['code']}: {said['detail']}"
        case "status":
            return _standing(said)
    return f"{kind} {json.dumps(dict(said))}"  # of a later version


def _standing(said: Mapping[str, Any]) -> str:
    status, error = said["status"], said.get("error")
    if status == "running":
        return f"running, attempt {said['attempt']}, on {said['worker']}"
    sentence = f"{status}: {said['files']} files" if status == "completed" and "files" in said else status
    if error:
        sentence += f": {error['code']}: {error['detail']}"
    if said.get("retry_at"):
        sentence += f"; to be tried again at {datetime.fromisoformat(said['retry_at']):%H:%M:%S} UTC"
    return str(sentence)


def _count(said: Mapping[str, Any]) -> str:
    if said.get("done") is None:
        return ""
    return f"{said['done']}" if said.get("total") is None else f"{said['done']}/{said['total']}"
