"""The kind of job that does nothing; apart, so that a child imports no more than a plugin's would."""

from collections.abc import Sequence

from media_analysis.analysis.kinds import Kind
from media_analysis.analysis.task import Emitter, Source
from media_analysis.media.options import Limits, Options

EMPTY = "empty"


def do_nothing(_sources: Sequence[Source], _options: Options, _limits: Limits, _emit: Emitter) -> None:
    """Return at once."""


KIND = Kind(name=EMPTY, parameters=Options, task=do_nothing)
