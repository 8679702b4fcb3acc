"""Hostile files make no more than their limits allow, and fail in one of three ways only."""

import json
import subprocess
import sys
import zlib
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import av
import pytest
from PIL import Image

from media_analysis.errors.media import CorruptMedia, MediaLimitPassed, UnsupportedMedia
from media_analysis.media.films.opening import open_media
from media_analysis.media.frames import sample_frames
from media_analysis.media.options import Limits, SamplingOptions
from media_analysis.media.probe import probe
from media_analysis.media.stills.images import open_image
from tests.media import bombs, clips, images

ROOT = Path(__file__).parents[2]


def _nested(depth: int) -> bytes:
    content = b""
    for _ in range(depth):
        content = (len(content) + 8).to_bytes(4) + b"moov" + content
    return content


def _broken_exif() -> bytes:
    picture = BytesIO()
    Image.new("RGB", (8, 8)).save(picture, "JPEG", exif=b"Exif\0\0II*\0\x08\0\0\0" + b"\xff" * 300)
    return picture.getvalue()


DAMAGED: list[tuple[Callable[[], Path], ...]] = [
    (clips.with_sound, clips.transport_stream, clips.vp9),
    (images.jpeg, images.animated_gif, images.tiff),
]


def test_a_canvas_that_webp_cannot_fill_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "bomb"
    path.write_bytes(bombs.webp(16_384, 16_384))

    with pytest.raises((CorruptMedia, MediaLimitPassed)):
        probe(path, Limits())


def test_a_frame_beyond_its_screen_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "bomb"
    beyond = b"," + bytes(4) + b"\xff\xff\xff\xff"
    path.write_bytes(bombs.gif(10, 10).replace(b"," + bytes(4) + b"\x0a\0\x0a\0", beyond))

    with pytest.raises(MediaLimitPassed), open_image(path, Limits()) as image:
        image.load()


def test_text_that_unpacks_to_gigabytes_is_corrupt(tmp_path: Path) -> None:
    packer = zlib.compressobj(9)
    packed = b"".join(packer.compress(bytes(2**20)) for _ in range(80)) + packer.flush()
    comment = b"zTXt" + b"note\0\0" + packed
    content = bombs.png(1, 1, zlib.compress(bytes(4)))
    chunk = (len(comment) - 4).to_bytes(4) + comment + zlib.crc32(comment).to_bytes(4)
    path = tmp_path / "bomb.png"
    path.write_bytes(content[:33] + chunk + content[33:])

    with pytest.raises(CorruptMedia):
        probe(path, Limits())


def test_an_archive_behind_a_jpeg_is_a_jpeg(tmp_path: Path) -> None:
    path = tmp_path / "both.zip"
    path.write_bytes(bombs.jpeg_and_zip())

    assert probe(path, Limits()).format == "jpeg"


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\0\0\0\x20ftypisom\0\0\2\0isomiso2avc1mp41" + b"\x99" * 10_000,
        b"\0\0\0\x20ftypisom\0\0\2\0isomiso2avc1mp41" + _nested(5_000),
        b"\0\0\0\x01ftyp" + b"\xff" * 100,
        b"\x1a\x45\xdf\xa3" + b"\xff" * 5_000,
        b"RIFF\xff\xff\xff\xffAVI LIST\xff\xff\xff\xffhdrl" + bytes(500),
        b"RIFF\xff\xff\xff\xffWAVEfmt " + b"\xff" * 100,
        b"OggS" + b"\xff" * 5_000,
        b"fLaC" + b"\xff" * 5_000,
        b"ID3\x04\0\0\x7f\x7f\x7f\x7f" + bytes(500),
        b"\xff\xd8\xff" + b"\xff" * 5_000,
        b"GIF89a",
        b"BM" + bytes(12) + b"\x28",
        b"just a text",
        b"\x89PNG\r\n\x1a\n",
        b"\xff" * 5_000,
    ],
)
def test_garbage_behind_a_good_beginning_is_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "upload.mp4"
    path.write_bytes(content)

    with pytest.raises((CorruptMedia, UnsupportedMedia)):
        probe(path, Limits())


def test_declared_dimensions_of_a_video_are_not_believed_and_not_allocated(tmp_path: Path) -> None:
    content = clips.hevc().read_bytes()
    size = (192).to_bytes(2) + (128).to_bytes(2)
    path = tmp_path / "upload.mp4"
    path.write_bytes(content.replace(size + b"\0\x48\0\0", b"\xff\xff\xff\xff\0\x48\0\0"))

    with pytest.raises((MediaLimitPassed, CorruptMedia)) as refused, open_media(path, Limits(max_pixels=192 * 128 - 1)):
        pass

    assert refused.value.code in {"media_limit_passed", "corrupt_media"}


def test_a_declared_duration_of_centuries_is_no_length(tmp_path: Path) -> None:
    content = clips.matroska().read_bytes()
    at = content.index(b"\x44\x89\x88") + 3
    path = tmp_path / "upload.mkv"
    path.write_bytes(content[:at] + b"\x42\xa0\0\0\0\0\0\0" + content[at + 8 :])

    told = probe(path, Limits())

    assert told.duration_seconds == pytest.approx(2.0, abs=0.05)


def test_a_hundred_tracks_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "tracks.mkv"
    with av.open(str(path), "w") as container:
        tracks = [container.add_stream("pcm_s16le", rate=8_000, layout="mono") for _ in range(100)]
        container.start_encoding()
        frame = av.AudioFrame(format="s16", layout="mono", samples=100)
        frame.sample_rate = 8_000
        for track in tracks:
            frame.pts = 0
            container.mux(track.encode(frame))

    with pytest.raises(MediaLimitPassed) as refused:
        probe(path, Limits())

    assert (refused.value.what, refused.value.found) == ("streams", 100)


def test_broken_camera_notes_do_not_hide_the_picture(tmp_path: Path) -> None:
    path = tmp_path / "camera.jpg"
    path.write_bytes(_broken_exif())

    told = probe(path, Limits())

    assert (told.width, told.height) == (8, 8)


def test_a_picture_whose_exif_is_broken_is_shown_as_it_lies(tmp_path: Path) -> None:
    path = tmp_path / "upload.jpg"
    path.write_bytes(images.jpeg().read_bytes().replace(b"Exif\0\0M", b"Exif\0\0\xff", 1))

    (picture,) = sample_frames(path, SamplingOptions(), Limits())

    assert picture.image().size == (images.HEIGHT, images.WIDTH)


@pytest.mark.parametrize("originals", DAMAGED, ids=["clips", "images"])
def test_damaged_files_are_told_or_refused_and_nothing_else(originals: tuple[Callable[[], Path], ...]) -> None:
    paths = [str(original()) for original in originals]

    finished = subprocess.run(
        [sys.executable, "-m", "tests.media.mutating", "4", "70", *paths],
        cwd=ROOT,
        check=False,
        capture_output=True,
        timeout=120,
    )

    assert finished.returncode == 0, finished.stderr.decode()
    report = json.loads(finished.stdout)
    assert report["wrong"] == []
    assert report["outcomes"]["document"] > 20
    assert report["outcomes"]["frames"] > 20
    assert report["outcomes"]["corrupt_media"] > 5
