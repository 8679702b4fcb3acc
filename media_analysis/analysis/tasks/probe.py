"""Probe: one document for each source."""

from collections.abc import Sequence

from media_analysis.analysis.task import Emitter, Source
from media_analysis.analysis.tasks.progress import SharedProgress
from media_analysis.analysis.tasks.sources import Examined, examine
from media_analysis.media.options import Limits, Options


def run(sources: Sequence[Source], options: Options, limits: Limits, emitter: Emitter) -> None:
    """Emit a `probe` result for each source, in order; a source that cannot be read fails all."""
    del options
    progress = SharedProgress(emitter)
    for each in examine(sources, limits, progress):
        emit_facts(each, emitter)
        each.remark_truncation(emitter)
    progress.finished("probing")


def emit_facts(examined: Examined, emitter: Emitter) -> None:
    """Emit the `probe` result of one source."""
    emitter.result("probe", examined.facts.model_dump(mode="json"), source=examined.source.position)
