"""How bright a video is, over time: a kind of analysis that media-analysis finds by its entry point."""

from collections.abc import Sequence

from pydantic import Field

from media_analysis.plugins import Category, Emitter, Kind, Limits, NoPictures, Options, Product, Source, open_media


class BrightnessOptions(Options):
    """What a client may ask; the service shows it in its OpenAPI document."""

    every_seconds: float = Field(1.0, gt=0, le=3_600, description="One measurement each so often")


def measure(sources: Sequence[Source], options: BrightnessOptions, limits: Limits, emit: Emitter) -> None:
    """Emit the mean luma of sampled frames (0 black, 255 white), as a result and as a table."""
    table: list[tuple[float, float]] = []
    with open_media(sources[0].path, limits) as container:
        if not container.streams.video:
            raise NoPictures("it has sound at most")
        for frame in container.decode(video=0):
            seconds = frame.time or 0.0
            if not table or seconds >= table[-1][0] + options.every_seconds:
                luma = bytes(frame.reformat(width=64, height=64, format="gray").planes[0])
                table.append((seconds, sum(luma) / len(luma)))
                emit.progress(0.5, "measuring", done=len(table))
    mean = sum(luma for _, luma in table) / max(len(table), 1)
    emit.result("brightness", {"mean": mean, "samples": len(table)}, source=0)
    rows = "".join(f"{seconds:.3f},{luma:.1f}\n" for seconds, luma in table)
    csv = Product(
        role="brightness", ordinal=0, category=Category.OUTPUTS, filename="brightness.csv", media_type="text/csv"
    )
    emit.product(csv, b"seconds,luma\n" + rows.encode())


KIND = Kind(
    name="brightness", parameters=BrightnessOptions, task=measure, max_sources=1, summary="How bright it is, over time"
)
