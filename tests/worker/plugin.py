"""A plugin whose kind makes small files, slowly if it is told to, or for ever."""

import os
import time
from collections.abc import Sequence

from media_analysis.plugins import Category, CorruptMedia, Emitter, Kind, Limits, Options, Product, Source

ENTRY_POINTS = "[media_analysis.kinds]\ntiny = tests.worker.plugin:KIND\n"
METADATA = "Metadata-Version: 2.1\nName: tiny\nVersion: 1\n"


class TinyOptions(Options):
    """What is to be made."""

    products: int = 2
    seconds: float = 0
    """How long each of them takes."""
    endless: bool = False
    corrupt: bool = False
    crash: bool = False


def run(sources: Sequence[Source], options: Options, limits: Limits, emit: Emitter) -> None:
    del limits
    assert isinstance(options, TinyOptions)
    if options.corrupt:
        raise CorruptMedia("nothing of it can be decoded")
    for ordinal in range(options.products):
        time.sleep(options.seconds)
        emit.product(_piece(ordinal), sources[0].path.read_bytes() + str(ordinal).encode())
    if options.crash:
        time.sleep(0.5)  # the files are on disk by then
        os._exit(1)
    emit.result("tiny", {"products": options.products}, source=0)
    while options.endless:
        pass


def _piece(ordinal: int) -> Product:
    return Product(
        role="piece",
        ordinal=ordinal,
        category=Category.OUTPUTS,
        filename=f"{ordinal}.bin",
        media_type="application/octet-stream",
        source=0,
    )


KIND = Kind(name="tiny", parameters=TinyOptions, task=run, summary="Small files")
