"""A file that asks a player to open something else causes neither a request nor another file to be read."""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import av
import pytest

from media_analysis.errors.media import UnsupportedMedia
from media_analysis.media.films.opening import open_media
from media_analysis.media.options import Limits
from media_analysis.media.probe import probe
from tests.media import clips, images
from tests.media.baits import Listener, listening, playlists, reference_film

ROOT = Path(__file__).parents[2]


@pytest.fixture
def listener() -> Iterator[Listener]:
    with listening() as started:
        yield started


KINDS = sorted(playlists(""))


@pytest.mark.parametrize("name", ["upload.mp4", "upload.m3u8", "upload"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_playlist_is_refused_and_nobody_is_asked(kind: str, name: str, listener: Listener, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_text(playlists(listener.url)[kind])

    with pytest.raises(UnsupportedMedia):
        probe(path, Limits())

    assert listener.visits == []


def test_the_bait_works_where_it_is_taken(listener: Listener, tmp_path: Path) -> None:
    path = tmp_path / "playlist.m3u8"
    path.write_text(playlists(listener.url)["hls"])

    with pytest.raises(av.FFmpegError):
        av.open(str(path), options={"protocol_whitelist": "file,http,tcp"}, timeout=5)

    assert len(listener.visits) == 1


@pytest.mark.parametrize("kind", KINDS)
def test_a_playlist_of_files_here_is_refused(kind: str, tmp_path: Path) -> None:
    shutil.copy(clips.transport_stream(), tmp_path / "secret.ts")

    for target in ("secret.ts", str(tmp_path / "secret.ts"), f"file://{tmp_path}/secret.ts", "/etc/passwd"):
        path = tmp_path / "upload.mp4"
        path.write_text(playlists(target)[kind])
        with pytest.raises(UnsupportedMedia):
            probe(path, Limits())


@pytest.mark.skipif(shutil.which("strace") is None, reason="needs strace")
def test_the_kernel_sees_no_other_file_opened_and_no_socket(tmp_path: Path) -> None:
    secret = Path(shutil.copy(clips.h264(), tmp_path / "secret.mp4"))
    for kind, content in playlists(str(secret)).items():
        (tmp_path / f"upload_{kind}").write_text(content)
    (tmp_path / "upload_reference").write_bytes(reference_film(secret))
    program = (
        "import sys; from pathlib import Path; from media_analysis.media.probe import probe\n"
        "from media_analysis.media.options import Limits\n"
        "for path in sorted(Path(sys.argv[1]).glob('upload_*')):\n"
        "    try: probe(path, Limits())\n"
        "    except Exception: pass\n"
    )

    trace = tmp_path / "trace"
    subprocess.run(
        [
            "strace",
            "-f",
            "-o",
            trace,
            "-e",
            "trace=openat,open,connect,socket,execve",
            sys.executable,
            "-c",
            program,
            tmp_path,
        ],
        cwd=ROOT,
        check=True,
        capture_output=True,
        timeout=120,
    )

    seen = trace.read_text()
    assert "upload_hls" in seen
    assert "upload_reference" in seen
    assert str(secret) not in seen
    assert "socket(" not in seen
    assert "connect(" not in seen


def test_samples_in_another_file_are_not_followed(tmp_path: Path) -> None:
    secret = Path(shutil.copy(clips.h264(), tmp_path / "secret.mp4"))
    path = tmp_path / "upload.mp4"
    path.write_bytes(reference_film(secret))

    with open_media(path, Limits()) as container:
        decoded = list(container.decode(video=0))
    with av.open(str(path), options={"enable_drefs": "1", "use_absolute_path": "1"}) as careless:
        followed = list(careless.decode(video=0))

    assert decoded == []
    assert len(followed) == 50, "the bait works where it is taken"
    assert probe(path, Limits()).rotation_degrees is None


def test_a_playlist_behind_a_gif_is_a_gif(listener: Listener, tmp_path: Path) -> None:
    path = tmp_path / "both.m3u8"
    path.write_bytes(images.animated_gif().read_bytes() + playlists(listener.url)["hls"].encode())

    assert probe(path, Limits()).format == "gif"
    assert listener.visits == []
