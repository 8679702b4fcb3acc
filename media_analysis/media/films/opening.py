"""How media files are opened: only formats that hold everything themselves, and nothing beside the file is read."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Final, NoReturn, TypeVar, cast

import av
from av.container import InputContainer
from av.packet import Packet
from av.stream import Stream
from av.video.stream import VideoStream

from media_analysis.errors.media import CorruptMedia, MediaLimitPassed, UnsupportedMedia
from media_analysis.media.options import Limits
from media_analysis.media.reading import open_unwaiting
from media_analysis.media.types.known import UNKNOWN, is_read, title_of
from media_analysis.media.types.sniff import sniff_file

Kind = TypeVar("Kind", bound=Stream)
SELF_CONTAINED: Final = (
    "mov,matroska,avi,mpegts,mpeg,mpegvideo,flv,ogg,asf,mxf,rm,ivf,obu,h264,hevc,m4v,dv,nut,mjpeg,"
    "wav,w64,mp3,aac,flac,aiff,au,caf,ac3,eac3,amr,wv,ape"
)
"""Demuxers that follow no reference; playlists, sequences, devices and scripts are none of them."""
_THEORA_HEADER: Final = 0x80
"""The first of three: of the identity, of comments, which no decoder takes, and of its setup (Theora, section 6.1)."""
_UNREADABLE: Final = (
    av.error.DecoderNotFoundError,
    av.error.DemuxerNotFoundError,
    av.error.ProtocolNotFoundError,
    av.error.PatchWelcomeError,
    av.error.NotImplementedError,
    av.error.PermissionError,
)


@contextmanager
def open_media(path: Path, limits: Limits) -> Iterator[InputContainer]:
    """Open a media file by its content; whatever PyAV raises before the end of the block is translated.

    The demuxer reads one open file and knows no protocol, so it can open nothing else; decoders refuse
    pictures above `limits.max_pixels` also where a stream changes its size on the way.

    Raises:
        UnsupportedMedia: no demuxer or decoder that may be used here reads it.
        CorruptMedia: it begins like media, but cannot be read.
        MediaLimitPassed: streams or pixels, as its headers tell them, pass `limits`.
        MemoryError: this process may not have as much as it takes.

    """
    opened = False
    try:
        # Opened by number: a name would take part in guessing the format.
        with (
            os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb", buffering=0) as file,
            av.open(
                file,
                "r",
                format=_named_format(file),
                options=_options(limits),
                metadata_errors="surrogateescape",
                io_open=_open_nothing,
            ) as container,
        ):
            opened = True
            _check_headers(container, limits)
            yield container
    except MemoryError:
        # Too little memory here is no fault of the file.
        raise
    except _UNREADABLE as error:
        raise UnsupportedMedia("no decoder here reads the file") from error
    except av.FFmpegError as error:
        if not opened:
            _refuse(error, path)
        raise CorruptMedia(f"the file's content cannot be decoded: {error.strerror or 'invalid'}") from error


def demuxer_of(container: InputContainer) -> str:
    """Return FFmpeg's first name of the container format."""
    return container.format.name.split(",")[0]


def _named_format(file: IO[bytes]) -> str | None:
    """Return the demuxer of what FFmpeg would take for one of its formats that follow names."""
    head = os.pread(file.fileno(), 3, 0)
    return "mjpeg" if head == b"\xff\xd8\xff" else None


def _options(limits: Limits) -> dict[str, str]:
    return {
        "protocol_whitelist": "none",
        "format_whitelist": SELF_CONTAINED,
        "max_pixels": str(limits.max_pixels),
    }


def _open_nothing(url: str, flags: int, options: dict[str, str]) -> NoReturn:
    del url, flags, options
    raise PermissionError("a media file may not open another one")


def _check_headers(container: InputContainer, limits: Limits) -> None:
    if not len(container.streams):
        raise CorruptMedia("the container holds no streams")
    _allow("streams", len(container.streams), limits.max_streams)
    for stream in container.streams:
        if isinstance(stream, VideoStream) and has_decoder(stream):
            context = stream.codec_context
            coded = context.coded_width * context.coded_height
            _allow("pixels", max(coded, context.width * context.height), limits.max_pixels)
            context.options = {"max_pixels": str(limits.max_pixels)}


def packets_of(container: InputContainer, *streams: Kind) -> "Iterator[Packet[Kind]]":
    """Yield the packets of streams in the order they are stored; empty ones are left out.

    Headers of Theora, which begin the further parts of a chained Ogg file, are no packets of their own: they are
    `opaque` to the keyframes they hold for, and for the decoder alone.

    Raises:
        av.FFmpegError: what follows cannot be read; `open_media` translates it.

    """
    packets = cast("Iterator[Packet[Kind]]", container.demux(*streams))
    headed = {stream.index for stream in streams if has_decoder(stream) and stream.codec_context.name == "theora"}
    headers: tuple[Packet[Kind], ...] = ()
    while True:
        try:
            packet = next(packets, None)
        except IndexError:
            # PyAV flushes also streams that turned up on the way, which it knows nothing of; all is read by then.
            return
        if packet is None:
            return
        if packet.size and packet.stream_index in headed:
            kind = memoryview(packet)[0]
            if kind >= _THEORA_HEADER:
                headers = (packet,) if kind == _THEORA_HEADER else (*headers, packet)
                continue
            packet.opaque = headers[::2] if packet.is_keyframe else ()
        if packet.size:
            yield packet


def readable_packets(container: InputContainer, *streams: Kind) -> "Iterator[Packet[Kind]]":
    """Yield packets as `packets_of` does, until the first that cannot be read."""
    try:
        yield from packets_of(container, *streams)
    except MemoryError:
        raise
    except av.FFmpegError:
        return


def has_decoder(stream: Stream) -> bool:
    """Return whether the stream can be decoded here; one that cannot has no codec context."""
    return stream.codec_context is not None


def _allow(what: str, found: float, allowed: float) -> None:
    if found > allowed:
        raise MediaLimitPassed(what, found=found, allowed=allowed)


def _refuse(error: av.FFmpegError, path: Path) -> NoReturn:
    with open_unwaiting(path) as file:
        begins_like = sniff_file(file, declared=None).media_type
    if isinstance(error, av.error.ArgumentError) or not is_read(begins_like):
        what = "what it begins with" if begins_like == UNKNOWN else title_of(begins_like)
        raise UnsupportedMedia(f"{what} is not among the formats read here") from error
    raise CorruptMedia(f"the file begins like {title_of(begins_like)}, but cannot be read") from error
