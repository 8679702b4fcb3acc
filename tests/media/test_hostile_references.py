"""A file that asks a player to open something else causes neither a request nor another file to be read."""

import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from threading import Thread

import av
import pytest

from media_analysis.errors.media import UnsupportedMedia
from media_analysis.media.opening import open_media
from media_analysis.media.options import Limits
from media_analysis.media.probe import probe
from tests.media import clips, stills

ROOT = Path(__file__).parents[2]


@dataclass
class Listener:
    """Accepts connections on this machine, counts them and hangs up."""

    socket: socket.socket
    visits: list[str] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.socket.getsockname()[1]}/secret.ts"

    def listen(self) -> None:
        while True:
            try:
                visitor, address = self.socket.accept()
            except OSError:
                return
            self.visits.append(str(address))
            visitor.close()


@pytest.fixture
def listener() -> Iterator[Listener]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        listening = Listener(server)
        thread = Thread(target=listening.listen)
        thread.start()
        yield listening
        server.shutdown(socket.SHUT_RDWR)
        thread.join()


def playlists(target: str) -> dict[str, str]:
    """Return documents of many kinds that all ask a player to open `target`."""
    return {
        "hls": f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{target}\n#EXT-X-ENDLIST\n",
        "hls_key": f'#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXT-X-KEY:METHOD=AES-128,URI="{target}"\n'
        f"#EXTINF:1,\n{target}\n",
        "m3u": f"{target}\n",
        "concat": f"ffconcat version 1.0\nfile '{target}'\n",
        "dash": '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" '
        'mediaPresentationDuration="PT1S"><Period><AdaptationSet mimeType="video/mp4"><Representation id="1" '
        f'bandwidth="1"><BaseURL>{target}</BaseURL></Representation></AdaptationSet></Period></MPD>',
        "sdp": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 5004 RTP/AVP 96\n"
        "a=rtpmap:96 H264/90000\n",
        "smil": f'<smil><body><video src="{target}"/></body></smil>',
        "asx": f'<asx version="3.0"><entry><ref href="{target}"/></entry></asx>',
        "asf_reference": f"[Reference]\nRef1={target}\n",
        "ram": f"{target}\n",
        "rtsp_text": f"RTSPtext\nrtsp://{target}\n",
        "svg": f'<svg xmlns="http://www.w3.org/2000/svg"><image href="{target}" width="9" height="9"/></svg>',
        "xml_entity": f'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY y SYSTEM "{target}">]><MPD>&y;</MPD>',
        "avisynth": f'FFmpegSource2("{target}")\n',
        "ffmetadata": f";FFMETADATA1\ntitle={target}\n",
    }


def _reference_film(target: Path) -> bytes:
    """Return a QuickTime film whose samples are said to lie in another file, by a Macintosh alias."""
    content = bytearray(clips.h264().read_bytes())
    own = (12).to_bytes(4) + b"url " + bytes(3) + b"\1"
    path = str(target).encode().ljust(len(str(target)) + len(str(target)) % 2, b"\0")
    absolute = (2).to_bytes(2) + len(path).to_bytes(2) + path + b"\xff\xff\0\0"
    alias = bytes(4 + 10 + 28 + 12 + 64 + 16 + 4 + 16) + absolute
    other = (len(alias) + 8).to_bytes(4) + b"alis" + alias
    at = content.index(own)
    for box in (b"dref", b"dinf", b"minf", b"mdia", b"trak", b"moov"):
        size_at = content.rindex(box, 0, at) - 4
        size = int.from_bytes(content[size_at : size_at + 4]) + len(other) - len(own)
        content[size_at : size_at + 4] = size.to_bytes(4)
    content[at : at + len(own)] = other
    return bytes(content)


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
    (tmp_path / "upload_reference").write_bytes(_reference_film(secret))
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
    path.write_bytes(_reference_film(secret))

    with open_media(path, Limits()) as container:
        decoded = list(container.decode(video=0))
    with av.open(str(path), options={"enable_drefs": "1", "use_absolute_path": "1"}) as careless:
        followed = list(careless.decode(video=0))

    assert decoded == []
    assert len(followed) == 50, "the bait works where it is taken"
    assert probe(path, Limits()).rotation_degrees is None


def test_a_playlist_behind_a_gif_is_a_gif(listener: Listener, tmp_path: Path) -> None:
    path = tmp_path / "both.m3u8"
    path.write_bytes(stills.animated_gif().read_bytes() + playlists(listener.url)["hls"].encode())

    assert probe(path, Limits()).format == "gif"
    assert listener.visits == []
