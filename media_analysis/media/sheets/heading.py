"""What stands above a contact sheet: a file's name and its facts, in a reader's words."""

from collections.abc import Iterator
from typing import Final

from media_analysis.media.facts import AudioFacts, ProbeDocument
from media_analysis.media.figures import bit_rate, byte_size, duration, frame_rate
from media_analysis.media.sheets.sheet import Heading

_CODECS: Final = {
    "ac3": "AC-3",
    "eac3": "E-AC-3",
    "ffv1": "FFV1",
    "h263": "H.263",
    "h264": "H.264",
    "libdav1d": "AV1",
    "mjpeg": "Motion JPEG",
    "mp3": "MP3",
    "mp3float": "MP3",
    "mpeg1video": "MPEG-1",
    "mpeg2video": "MPEG-2",
    "mpeg4": "MPEG-4",
    "opus": "Opus",
    "prores": "ProRes",
    "theora": "Theora",
    "vorbis": "Vorbis",
    "webp": "WebP",
}


def heading_of(filename: str, facts: ProbeDocument) -> Heading:
    """Return the heading of one file's sheet; what is not known is left out."""
    return Heading(title=filename, facts=tuple(_facts(facts)))


def codec_name(codec: str) -> str:
    """Return what people call a codec or format."""
    return _CODECS.get(codec, codec.upper() if codec.isalnum() else codec)


def _facts(facts: ProbeDocument) -> Iterator[str]:
    if facts.duration_seconds is not None:
        yield duration(facts.duration_seconds)
    if facts.width is not None and facts.height is not None:
        yield f"{facts.width} x {facts.height}{_shape(facts)}"
    if facts.video_codec is not None or facts.image is not None:
        yield codec_name(facts.video_codec or facts.format)
    if facts.hdr_kind is not None:
        yield facts.hdr_kind.replace("_", " ").upper()
    if facts.frame_rate is not None:
        yield frame_rate(facts.frame_rate)
    if facts.pages is not None and facts.pages > 1:
        yield f"{facts.pages:,} pages"
    yield byte_size(facts.size_bytes)
    if facts.bit_rate is not None:
        yield bit_rate(facts.bit_rate)
    if facts.audio is not None:
        yield _audio(facts.audio)


def _shape(facts: ProbeDocument) -> str:
    """What pictures are shown as, where pixels are not square."""
    is_square = facts.sample_aspect_ratio in {None, "1:1"}
    return "" if is_square or facts.display_aspect_ratio is None else f" ({facts.display_aspect_ratio})"


def _audio(audio: AudioFacts) -> str:
    layout = audio.layout or (f"{audio.channels} channels" if audio.channels else "")
    rate = f"{audio.sample_rate / 1000:g} kHz" if audio.sample_rate else ""
    return " ".join(part for part in (codec_name(audio.codec) if audio.codec else "audio", layout, rate) if part)
