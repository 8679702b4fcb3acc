"""The branch of the tree about running jobs."""

from datetime import timedelta
from typing import Annotated

from media_analysis.settings.kinds import Seconds, Size, Whole
from media_analysis.settings.retention import GIB, MIB
from media_analysis.settings.section import Section, SpanLeaf, SwitchLeaf
from media_analysis.settings.texts import KindLimits


class WorkerSettings(Section):
    """How jobs are run."""

    enabled: SwitchLeaf = True
    """Whether `serve` runs jobs itself; `work` does so whatever this says."""
    concurrency: Annotated[int, Whole(1, 256)] = 1
    """How many jobs one process runs at the same time."""
    concurrency_per_kind: Annotated[tuple[tuple[str, int], ...], KindLimits()] = ()
    """How many jobs of a kind one process runs at the same time, where that is fewer."""
    threads: Annotated[int, Whole(1, 64)] = 2
    """How many threads decode one file."""
    heartbeat_seconds: Annotated[float, Seconds(0.2, 3600)] = 15
    """After how long without a sign of life another worker takes a job over."""
    lease_seconds: Annotated[float, Seconds(0.5, 3600)] = 60
    """How long a run, its sources and an external claim are kept without being renewed."""
    max_attempts: Annotated[int, Whole(1, 100)] = 3
    """After how many runs that failed or died a job is given up."""
    retry_seconds: Annotated[float, Seconds(0.01, 3600)] = 5
    """How long the second attempt waits; each further one waits twice as long."""
    grace_seconds: Annotated[float, Seconds(0, 3600)] = 20
    """How long a stopping worker lets its jobs finish before it hands them back."""
    timeout_seconds: Annotated[float, Seconds(0.1, 604_800)] = 3600
    """How long one run may take."""
    memory_bytes: Annotated[int, Size(low=MIB)] = 4 * GIB
    """How much memory one run may use."""
    max_pixels: Annotated[int, Whole(1, 10**10)] = 134_217_728
    """The largest picture that is decoded."""
    max_duration: SpanLeaf = timedelta(hours=24)
    """The longest recording that is analysed."""
    max_product_bytes: Annotated[int, Size(low=1)] = 10 * GIB
    """How many bytes one run may produce."""
    max_waiting_per_owner: Annotated[int, Whole(1, 10**9)] = 50_000
    """How many jobs of one owner may wait at once; the next ones get 429."""
    pin_limit: SpanLeaf = timedelta(hours=24)
    """How long a waiting job keeps its sources although they expire."""
