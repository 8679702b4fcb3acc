"""Analysing a minute of 1080p H.264, against the ffmpeg command line doing the same with as many threads."""

import argparse
import asyncio
import re
import shutil
import statistics
import subprocess
import threading
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, cast
from uuid import UUID

import av
import av.filter

from media_analysis.files.upload.bodies import Body
from media_analysis.files.upload.service import Upload
from media_analysis.jobs.control import NewJob
from media_analysis.storage.category import Category
from scripts.benchmarks.stage import Stage, settle

OWNER = "owner-0"
RATE = 25
THREADS = 2
PEAK = re.compile(r"VmHWM:\s+(\d+) kB")
SHEET = {"columns": 4, "thumbnail_width": 320}
EVERY_SECOND = {"every_seconds": 1.0, **SHEET}
SAMPLINGS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "every_second": ("video.mp4", "analyze", EVERY_SECOND),
    "every_second_untold": ("video.ts", "analyze", EVERY_SECOND),
    "keyframes": ("video.mp4", "frames", {"keyframes": True}),
    "preview": ("phone.mp4", "preview", {}),
}
"""Of which file, the kind of the job and its parameters; a transport stream does not tell its length.

What a phone records has sound, and a keyframe every second.
"""
PARTS = tuple(SAMPLINGS)


def add_options(parser: argparse.ArgumentParser) -> None:
    """Let the command line say how long the film is, and what is made of it."""
    parser.add_argument("--video-seconds", type=int, default=60)
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS)


async def analyze(stage: Stage, *, seconds: int, rounds: int, parts: Sequence[str] = PARTS) -> dict[str, Any]:
    """Let whole jobs, from the claim to the last fsync and commit, race the command line."""
    if shutil.which("ffmpeg") is None:
        raise SystemExit("the peer of this benchmark is not installed: apt-get install ffmpeg")
    wanted = {name: sampling for name, sampling in SAMPLINGS.items() if name in parts}
    videos = [stage.directory / name for name in sorted({filename for filename, _, _ in wanted.values()})]
    for video in videos:
        await asyncio.to_thread(MAKERS[video.name], video, seconds)
    sources = {video.name: (video, await upload(stage, video)) for video in videos}
    sizes = {video.name: video.stat().st_size for video in videos}
    figures: dict[str, Any] = {"video_seconds": seconds, "video_bytes": sizes, "threads": THREADS}
    for name, (filename, kind, parameters) in wanted.items():
        figures[name] = await race(stage, *sources[filename], name, kind, parameters, rounds)
    return figures


async def upload(stage: Stage, video: Path) -> UUID:
    asked = Upload(owner=OWNER, category=Category.UPLOADS, filename=video.name)
    return (await stage.runtime.files.uploads.store_file(asked, read_pieces(video))).id


async def race(
    stage: Stage, video: Path, source: UUID, name: str, kind: str, parameters: dict[str, Any], rounds: int
) -> dict[str, Any]:
    ours: list[float] = []
    peers: list[float] = []
    mine, theirs = Peak(), Peak()
    for number in range(rounds):
        await settle(stage.url)
        with mine.watching():
            ours.append(await timed(lambda: run_job(stage, source, kind, parameters)))
        await settle(stage.url)
        out = stage.directory / f"{name}-{number}"
        out.mkdir()
        with theirs.watching():
            peers.append(await timed(lambda out=out: asyncio.to_thread(run_ffmpeg, video, out, name)))  # type: ignore[misc]
        pictures = len(list(out.iterdir()))
        shutil.rmtree(out)
        print(f"  {name} {number + 1}: job {ours[-1]:.2f} s, ffmpeg {peers[-1]:.2f} s ({pictures} pictures)")
    medians = statistics.median(ours), statistics.median(peers)
    return {
        "job_seconds": medians[0],
        "ffmpeg_seconds": medians[1],
        "ratio": medians[0] / medians[1],
        "peak_bytes": {"ours": mine.size_bytes, "ffmpeg": theirs.size_bytes},
    }


class Peak:
    """The most memory that a process started meanwhile had resident.

    Asked of the processes while they live: what the system tells of those that ended counts what their parent had.
    """

    def __init__(self) -> None:
        self.size_bytes = 0

    @contextmanager
    def watching(self) -> Iterator[None]:
        known, over = descendants(), threading.Event()
        watcher = threading.Thread(target=self._watch, args=(known, over))
        watcher.start()
        try:
            yield
        finally:
            over.set()
            watcher.join()

    def _watch(self, known: set[str], over: threading.Event) -> None:
        while not over.wait(0.01):
            for pid in descendants() - known:
                with suppress(OSError):
                    found = PEAK.search(Path(f"/proc/{pid}/status").read_text())
                    self.size_bytes = max(self.size_bytes, 1024 * int(found[1]) if found else 0)


def descendants() -> set[str]:
    """Return the processes that this one started, and those that these did."""
    return descendants_of("self")


def descendants_of(process: str) -> set[str]:
    """Return the processes that one started, and those that these did."""
    started = forked_by(process)
    return started.union(*map(forked_by, started))


def forked_by(process: str) -> set[str]:
    with suppress(OSError):
        tasks = Path(f"/proc/{process}/task").iterdir()
        return {child for task in tasks for child in (task / "children").read_text().split()}
    return set()


async def timed(work: Callable[[], Awaitable[object]]) -> float:
    started = time.perf_counter()
    await work()
    return time.perf_counter() - started


async def run_job(stage: Stage, source: UUID, kind: str, parameters: dict[str, Any]) -> None:
    control = stage.runtime.jobs.control
    job = await control.create(
        NewJob(owner=OWNER, name="bench", kind=kind, source_file_ids=[source], parameters=parameters)
    )
    claim = await stage.runtime.jobs.claims.claim([job.kind], worker="bench")
    await stage.runtime.jobs.execution.run(claim.attempts[0])
    ended, _ = await stage.runtime.jobs.catalog.get(job.id, owner=OWNER)
    if ended.status != "completed":
        raise SystemExit(f"the job ended {ended.status}: {ended.error}")


def run_ffmpeg(video: Path, out: Path, name: str) -> None:
    """Do the same with the command line."""
    pictures = ["-q:v", "3", str(out / "%05d.jpg")]
    if name == "keyframes":
        work = ["-skip_frame", "nokey", "-i", str(video), "-vsync", "vfr", *pictures]
    elif name == "preview":
        work = ["-skip_frame", "nokey", "-i", str(video), "-vf", "scale=240:-2,tile=10x10", *pictures]
    else:
        graph = "[0:v]fps=1,split[frames][small];[small]scale=320:-2,tile=4x15[sheet]"
        sheet = ["-map", "[sheet]", "-frames:v", "1", "-q:v", "3", str(out / "sheet.jpg")]
        work = ["-i", str(video), "-filter_complex", graph, "-map", "[frames]", *pictures, *sheet]
    subprocess.run(["ffmpeg", "-v", "error", "-nostdin", "-threads", str(THREADS), *work], check=True)


def make_phone(path: Path, seconds: int) -> None:
    """Encode the same as phones do, with sound."""
    silent = path.with_name("silent.mp4")
    make_video(silent, seconds, g=str(RATE))
    sine = ["-f", "lavfi", "-i", f"sine=frequency=440:duration={seconds}:sample_rate=48000"]
    made = ["-c:v", "copy", "-c:a", "aac", "-ac", "2", str(path)]
    subprocess.run(["ffmpeg", "-v", "error", "-nostdin", "-i", str(silent), *sine, *made], check=True)
    silent.unlink()


def make_stream(path: Path, seconds: int) -> None:
    """Encode the same into a transport stream."""
    made = path.with_name("unpacked.mp4")
    make_video(made, seconds)
    remux(made, path)
    made.unlink()


def make_video(path: Path, seconds: int, **options: str) -> None:
    """Encode a moving, slightly noisy test picture with B-frames, as cameras and editors do."""
    graph = av.filter.Graph()
    picture = graph.add("testsrc2", f"size=1920x1080:rate={RATE}:duration={seconds}")
    noise, pixels = graph.add("noise", "alls=4:allf=t"), graph.add("format", "pix_fmts=yuv420p")
    end = graph.add("buffersink")
    for before, after in ((picture, noise), (noise, pixels), (pixels, end)):
        before.link_to(after)
    graph.configure()
    with av.open(str(path), "w") as output:
        stream = output.add_stream(
            "libx264", rate=RATE, options={"preset": "veryfast", "crf": "23", "bf": "3", **options}
        )
        stream.width, stream.height, stream.pix_fmt = 1920, 1080, "yuv420p"
        while True:
            try:
                frame = cast("av.VideoFrame", graph.pull())
            except av.error.EOFError:
                break
            # The encoder would make every picture a keyframe, as those of the source are.
            frame.pict_type = av.video.frame.PictureType.NONE
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))


def remux(path: Path, into: Path) -> None:
    """Copy the packets of one container into another."""
    with av.open(str(path)) as source, av.open(str(into), "w") as output:
        stream = output.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(source.streams.video[0]):
            if packet.dts is not None:
                packet.stream = stream
                output.mux(packet)


async def read_pieces(path: Path) -> Body:
    with path.open("rb") as file:
        while piece := file.read(2**20):
            yield piece


MAKERS = {"video.mp4": make_video, "video.ts": make_stream, "phone.mp4": make_phone}
"""What makes each file."""
