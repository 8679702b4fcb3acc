"""Files that ask a player to open something else, and a listener that sees whether one did."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Thread

from tests.media import clips


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


@contextmanager
def listening() -> Iterator[Listener]:
    """Listen on a port of this machine until the block ends."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        listener = Listener(server)
        thread = Thread(target=listener.listen)
        thread.start()
        try:
            yield listener
        finally:
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
        "pls": f"[playlist]\nFile1={target}\nNumberOfEntries=1\n",
        "xspf": '<?xml version="1.0"?><playlist version="1" xmlns="http://xspf.org/ns/0/"><trackList><track>'
        f"<location>{target}</location></track></trackList></playlist>",
        "vobsub": f"# VobSub index file, v7 (do not modify this line!)\n# {target}\nid: en, index: 0\n"
        "timestamp: 00:00:00:000, filepos: 000000000\n",
        "webvtt": f"WEBVTT\n\nSTYLE\n::cue {{ background: url({target}) }}\n\n00:00.000 --> 00:01.000\n{target}\n",
        "subrip": f"1\n00:00:00,000 --> 00:00:01,000\n<img src='{target}'>\n",
    }


def reference_film(target: object) -> bytes:
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
