"""One picture of one file, for whoever waits for it."""

from collections.abc import Sequence

from media_analysis.analysis.task import Emitter, Product, Source
from media_analysis.analysis.tasks.naming import stem_of
from media_analysis.media.options import Limits, Options, SinglePictureOptions
from media_analysis.media.pictures import extension_of_format, media_type_of
from media_analysis.media.single_pictures import picture_at, representative_picture
from media_analysis.storage.category import Category


def run(sources: Sequence[Source], options: Options, limits: Limits, emitter: Emitter) -> None:
    """Emit one `picture` product, and nothing else.

    Raises:
        InstantPastEnd: nothing is shown any more at the instant asked for.
        NoPictures, CorruptMedia, UnsupportedMedia, MediaLimitPassed: there is nothing to be shown.

    """
    asked = SinglePictureOptions.model_validate(options, from_attributes=True)
    (source,) = sources
    width = asked.max_width
    if asked.at_seconds is None:
        picture = representative_picture(source.path, limits, width=width)
    else:
        picture = picture_at(source.path, asked.at_seconds, limits, exact=asked.exact, width=width)
    product = Product(
        role="picture",
        ordinal=0,
        category=Category.TEMP,
        filename=f"{stem_of(source.filename)}.{extension_of_format(asked.format)}",
        media_type=media_type_of(asked.format),
        source=source.position,
        instant_seconds=picture.instant_seconds,
    )
    emitter.product(product, picture.encoded(asked))
