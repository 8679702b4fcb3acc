"""Analyze: probe, frames and contact sheet of one decode, and a report that holds what was found."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from media_analysis.analysis.documents import FramesDocument, ReportDocument, SourceReport
from media_analysis.analysis.task import Emitter, Product, Source
from media_analysis.analysis.tasks.frames import FrameSeries, within
from media_analysis.analysis.tasks.probe import emit_facts
from media_analysis.analysis.tasks.progress import SharedProgress
from media_analysis.analysis.tasks.sheets import Sheets
from media_analysis.analysis.tasks.sources import Decoding, Examined, examine
from media_analysis.errors.media import NoPictures
from media_analysis.media.options import AnalyzeOptions, Limits, Options
from media_analysis.storage.category import Category

MOST_ROWS_UNASKED: Final = 16
"""Rows of a sheet whose rows nobody gave: a minute at a frame a second, in four columns."""


def run(sources: Sequence[Source], options: Options, limits: Limits, emitter: Emitter) -> None:
    """Emit what `probe`, `frames` and `contact_sheet` would, decoding each source once, and `report.json`.

    The sheet shows frames evenly picked from those taken. A source without pictures is probed, and warned of
    (`no_pictures`).

    Raises:
        NoSuchPage: a source has not all the pages asked for.
        MediaLimitPassed: the sources together give more than `max_frames`.

    """
    asked = AnalyzeOptions.model_validate(options, from_attributes=True)
    progress = SharedProgress(emitter)
    examined = examine(sources, limits, progress)
    for each in examined:
        emit_facts(each, emitter)
    capacity = asked.columns * (asked.rows or MOST_ROWS_UNASKED)
    analysis = Analysis(
        options=asked,
        limits=limits,
        progress=progress,
        sheets=Sheets(options=asked, examined=examined, capacity=capacity, progress=progress),
    )
    reports = [analysis.analyze(each) for each in examined]
    warnings = [remark for each in examined for remark in each.remarks]
    _emit_report(ReportDocument(sources=reports, contact_sheets=analysis.sheets.entries, warnings=warnings), emitter)
    progress.finished("sheet")


@dataclass(kw_only=True, slots=True)
class Analysis:
    """One pass over all sources."""

    options: AnalyzeOptions
    limits: Limits
    progress: SharedProgress
    sheets: Sheets
    _taken: int = field(default=0, init=False)

    def analyze(self, examined: Examined) -> SourceReport:
        """Take the frames of one source, and thumbnails of some of them."""
        emitter = self.progress.emitter
        series = FrameSeries(examined=examined, options=self.options, emitter=emitter, first_ordinal=self._taken)
        document: FramesDocument | None = None
        try:
            self._decode(examined, series)
            document = series.emit_document()
        except NoPictures as error:
            examined.remark(emitter, NoPictures.code, str(error))
            examined.remark_truncation(emitter)
        self._taken += len(series.entries)
        self.sheets.close(examined)
        return _report(examined, series, document)

    def _decode(self, examined: Examined, series: FrameSeries) -> None:
        sampling = within(self.options, self._taken)
        decoding = Decoding(examined=examined, sampling=sampling, limits=self.limits, progress=self.progress)
        for picture in decoding.pictures():
            series.take(picture)
            self.sheets.offer(examined, picture, expected=decoding.expected)


def _report(examined: Examined, series: FrameSeries, document: FramesDocument | None) -> SourceReport:
    source = examined.source
    return SourceReport(
        position=source.position,
        file_id=str(source.file_id),
        filename=examined.name,
        media_type=source.media_type,
        size_bytes=source.size_bytes,
        probe=examined.facts,
        frames=document,
        taken=series.entries,
    )


def _emit_report(report: ReportDocument, emitter: Emitter) -> None:
    product = Product(
        role="report",
        ordinal=0,
        category=Category.OUTPUTS,
        filename="report.json",
        media_type="application/json",
        source=report.sources[0].position if len(report.sources) == 1 else None,
    )
    emitter.product(product, report.model_dump_json(indent=2).encode())
