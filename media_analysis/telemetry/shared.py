"""Metrics of several processes as those of one: each writes down its own, and whoever is asked adds up all of them."""

import asyncio
import json
import os
import time
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from prometheus_client import Metric
from prometheus_client.samples import Sample

if TYPE_CHECKING:
    from media_analysis.telemetry.metrics import Metrics

PERIOD_SECONDS: Final = 2.0
"""How old the others' figures may be."""
COUNTED: Final = frozenset({"counter", "histogram"})
"""Kinds of metrics that a process which is gone has counted, too."""
LIVING: Final = frozenset({"database_pool_connections", "jobs_running", "media_analysis_worker_loop_lag_seconds"})
"""What processes have, as long as they live."""
LATEST: Final = frozenset({"pressure_unrelieved"})
"""What whoever looked last knows."""
_ENDED: Final = ".ended"
_Samples = Mapping[tuple[str, tuple[tuple[str, str], ...]], float]


@dataclass(frozen=True)
class _Report:
    """What another process wrote down."""

    looked_at: float
    is_ended: bool
    families: Mapping[str, _Samples]


@dataclass
class SharedMetrics:
    """A folder with a file of each process; all other metrics say the same whoever is asked."""

    folder: Path
    looked_at: float = 0.0
    """When this process last looked at what only the latest look tells."""
    _written: str = ""

    def look(self) -> None:
        """Note that what only the latest look tells was looked at just now."""
        self.looked_at = time.time()

    def write(self, families: Iterable[Metric]) -> None:
        """Write down what this process has counted, if that is more than it was."""
        own = {
            family.name: [[sample.name, sorted(sample.labels.items()), sample.value] for sample in family.samples]
            for family in families
            if family.type in COUNTED or family.name in LIVING | LATEST
        }
        content = json.dumps({"looked_at": self.looked_at, "families": own})
        if content == self._written:
            return
        with suppress(OSError):  # a full disk is no reason not to serve
            part = self.folder / f".{os.getpid()}"
            part.write_text(content)
            part.replace(self.folder / str(os.getpid()))
            self._written = content

    def mark_ended(self, pid: int) -> None:
        """Keep what a process counted that is gone, and nothing that it had."""
        path = self.folder / str(pid)
        with suppress(FileNotFoundError):
            path.replace(path.with_suffix(_ENDED))

    def collect(self, families: Iterable[Metric]) -> Iterator[Metric]:
        """Yield the metrics of this process with those of the others in them."""
        others = list(self._reports())
        latest = max(others, key=lambda report: report.looked_at, default=None)
        for family in families:
            if family.type in COUNTED:
                family.samples = _added(family, others)
            elif family.name in LIVING:
                family.samples = _added(family, [report for report in others if not report.is_ended])
            elif family.name in LATEST and latest is not None and latest.looked_at > self.looked_at:
                family.samples = _samples(latest.families.get(family.name, {}))
            yield family

    def _reports(self) -> Iterator[_Report]:
        for path in self.folder.glob("[0-9]*"):
            if path.name == str(os.getpid()):
                continue
            with suppress(FileNotFoundError):  # its process has just ended, and it has another name
                said = json.loads(path.read_text())
                families = {
                    name: {(sample, tuple(map(tuple, labels))): value for sample, labels, value in samples}
                    for name, samples in said["families"].items()
                }
                yield _Report(said["looked_at"], path.suffix == _ENDED, families)


def _added(family: Metric, others: Iterable[_Report]) -> list[Sample]:
    total = {(sample.name, tuple(sorted(sample.labels.items()))): sample.value for sample in family.samples}
    for report in others:
        for key, value in report.families.get(family.name, {}).items():
            if key not in total:
                total[key] = value
            elif key[0].endswith("_created"):
                total[key] = min(total[key], value)
            else:
                total[key] += value
    return _samples(total)


def _samples(values: _Samples) -> list[Sample]:
    return [Sample(name, dict(labels), value) for (name, labels), value in values.items()]


@asynccontextmanager
async def sharing(metrics: "Metrics", folder: Path) -> AsyncIterator[SharedMetrics]:
    """While the block runs, have a process tell the metrics of all that share `folder`, and write its own there."""
    metrics.shared = shared = SharedMetrics(folder)

    async def keep_writing() -> None:
        while True:
            shared.write(metrics.collect_own())
            await asyncio.sleep(PERIOD_SECONDS)

    writing = asyncio.create_task(keep_writing())
    try:
        yield shared
    finally:
        writing.cancel()
        shared.write(metrics.collect_own())
