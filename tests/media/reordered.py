"""Clips whose frames depend on each other in every way that matters for leaving some out."""

from fractions import Fraction
from functools import cache
from pathlib import Path

import av

from tests.media.clips import clip_directory, film, h264
from tests.media.encoding import Film, Pictures


def _x264(name: str, params: str, **kwargs: object) -> Path:
    options = {"preset": "medium", "x264-params": f"{params}:scenecut=0:threads=1"}
    return film(name, Film(pictures=Pictures(count=90, keyframe_every=30, options=options, **kwargs)))  # type: ignore[arg-type]


@cache
def pyramid() -> Path:
    """H.264 whose B-frames refer to B-frames."""
    return _x264("pyramid.mp4", "bframes=7:b-pyramid=normal:b-adapt=0:ref=4")


@cache
def open_groups() -> Path:
    """H.264 in Matroska whose B-frames before a keyframe refer to the group before it."""
    return _x264("open.mkv", "bframes=3:b-adapt=0:open-gop=1")


@cache
def rolling_refresh() -> Path:
    """H.264 that never has a whole picture coded alone but the first."""
    return _x264("rolling.ts", "bframes=2:b-adapt=0:intra-refresh=1:keyint=20")


@cache
def bytestream() -> Path:
    """H.264 with B-frames in MPEG-TS: units by start codes, and a first timestamp that is not zero."""
    return _x264("reordered.ts", "bframes=3:b-adapt=0:aud=1:slices=3")


@cache
def fields() -> Path:
    """Interlaced H.264 with B-frames in MPEG-TS."""
    return _x264("fields.ts", "bframes=3:b-adapt=0:tff=1")


@cache
def long_group() -> Path:
    """One keyframe only."""
    return film("long.mp4", Film(pictures=Pictures(count=90, keyframe_every=250, options={"preset": "medium"})))


@cache
def hevc_groups() -> Path:
    """HEVC with B-frames that refer to B-frames, and open groups."""
    options = {
        "preset": "medium",
        "x265-params": "log-level=none:bframes=4:b-adapt=0:open-gop=1:keyint=24:min-keyint=24",
    }
    return film("hevc_open.mp4", Film(pictures=Pictures(codec="libx265", count=90, options=options)))


@cache
def hevc_layers() -> Path:
    """HEVC in two temporal layers, where pictures nobody in their own layer refers to are still needed."""
    params = "log-level=none:temporal-layers=3:bframes=7:b-adapt=0:keyint=32:min-keyint=32"
    options = {"preset": "medium", "x265-params": params}
    return film("hevc_layers.mp4", Film(pictures=Pictures(codec="libx265", count=90, options=options)))


@cache
def mpeg4_in_avi() -> Path:
    """MPEG-4 with B-frames in AVI, which stores decoding times only."""
    return film("bframes.avi", Film(pictures=Pictures(codec="mpeg4", options={"bf": "2"})))


@cache
def h264_in_avi() -> Path:
    """H.264 with B-frames in AVI."""
    return film("h264.avi", Film(pictures=Pictures(options={"preset": "medium", "bf": "3", "b_strategy": "0"})))


@cache
def mpeg2() -> Path:
    """MPEG-2 with B-frames in a program stream."""
    return film("plain.mpg", Film(pictures=Pictures(codec="mpeg2video", options={"bf": "2", "b_strategy": "0"})))


@cache
def vp8() -> Path:
    """VP8 whose alternate references are packets that show nothing."""
    options = {"auto-alt-ref": "1", "lag-in-frames": "16", "deadline": "good", "cpu-used": "4", "b": "100k"}
    return film("vp8.webm", Film(pictures=Pictures(codec="libvpx", count=90, keyframe_every=60, options=options)))


@cache
def vp9_alternate() -> Path:
    """VP9 with hidden frames inside its packets."""
    options = {"auto-alt-ref": "1", "lag-in-frames": "16", "deadline": "good", "cpu-used": "5", "b": "100k"}
    return film(
        "vp9_alt.webm", Film(pictures=Pictures(codec="libvpx-vp9", count=60, keyframe_every=40, options=options))
    )


@cache
def cut_in() -> Path:
    """MP4 whose edit list begins within a group: some packets are decoded, never shown."""
    path = clip_directory() / "cut_in.mp4"
    with av.open(str(h264())) as source, av.open(str(path), "w") as target:
        stream = source.streams.video[0]
        video = target.add_stream_from_template(stream)
        assert stream.time_base is not None
        shift = round(Fraction(7, 25) / stream.time_base)
        for packet in source.demux(stream):
            if packet.size and packet.pts is not None and packet.dts is not None:
                packet.pts -= shift
                packet.dts -= shift
                packet.stream = video
                target.mux(packet)
    return path


@cache
def two_sizes() -> Path:
    """H.264 that changes its size on the way."""
    path = clip_directory() / "two_sizes.h264"
    small = film("small_part.h264", Film(pictures=Pictures(count=25), container="h264"))
    large = film("large_part.h264", Film(pictures=Pictures(count=25, width=320, height=240), container="h264"))
    path.write_bytes(small.read_bytes() + large.read_bytes())
    return path
