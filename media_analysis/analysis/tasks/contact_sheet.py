"""Contact sheets alone: as many evenly spaced pictures as the grid holds."""

from collections.abc import Sequence
from typing import Final

from media_analysis.analysis.task import Emitter, Source
from media_analysis.analysis.tasks.progress import SharedProgress
from media_analysis.analysis.tasks.sheets import Sheets, grid_capacity
from media_analysis.analysis.tasks.sources import Decoding, examine
from media_analysis.media.options import MAX_FRAMES, ContactSheetOptions, Limits, Options, SamplingOptions

DEFAULT_ROWS: Final = 4


def run(sources: Sequence[Source], options: Options, limits: Limits, emitter: Emitter) -> None:
    """Emit a `contact_sheet` product and result for each video and TIFF of several pages, and one of all still images.

    A sheet's ordinal is the position of its (first) source. Stills show their names instead of instants.
    Where there are more stills or instants than the grid holds, evenly picked ones are shown; instants that
    show the same frame show it once.

    Raises:
        NoPictures: a source holds none.
        NoSuchPage: a source has not all the pages asked for.

    """
    asked = ContactSheetOptions.model_validate(options, from_attributes=True)
    capacity = grid_capacity(asked, len(asked.instants or asked.pages or ()) or asked.columns * DEFAULT_ROWS)
    ways = {"instants": asked.instants, "pages": asked.pages} if asked.instants or asked.pages else {"count": capacity}
    sampling = SamplingOptions.model_validate({**ways, "max_frames": MAX_FRAMES, "deinterlace": asked.deinterlace})
    progress = SharedProgress(emitter)
    examined = examine(sources, limits, progress)
    sheets = Sheets(options=asked, examined=examined, capacity=capacity, progress=progress)
    for each in examined:
        decoding = Decoding(examined=each, sampling=sampling, limits=limits, progress=progress)
        for picture in decoding.pictures():
            sheets.offer(each, picture, expected=decoding.expected)
        sheets.close(each)
    progress.finished("sheet")
