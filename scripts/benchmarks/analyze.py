"""Analysing a minute of 1080p H.264, against the ffmpeg command line doing the same with as many threads."""

import asyncio
import os
import resource
import shutil
import statistics
import subprocess
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any
from uuid import UUID

import av
import av.filter

from media_analysis.analysis.control import NewJob
from media_analysis.files.bodies import Body
from media_analysis.files.uploads import Upload
from media_analysis.storage.category import Category
from scripts.benchmarks.stage import Stage, settle

OWNER = "owner-0"
RATE = 25
THREADS = 2
SHEET = {"columns": 4, "thumbnail_width": 320}
SAMPLINGS: dict[str, tuple[str, dict[str, Any]]] = {
    "every_second": ("analyze", {"every_seconds": 1.0, **SHEET}),
    "keyframes": ("frames", {"keyframes": True}),
}


async def analyze(stage: Stage, *, seconds: int, rounds: int) -> dict[str, Any]:
    """Let whole jobs, from the claim to the last fsync and commit, race the command line."""
    if shutil.which("ffmpeg") is None:
        raise SystemExit("the peer of this benchmark is not installed: apt-get install ffmpeg")
    video = stage.directory / "video.mp4"
    await asyncio.to_thread(make_video, video, seconds)
    source = await stage.runtime.uploads.store_file(
        Upload(owner=OWNER, category=Category.UPLOADS, filename=video.name), read_pieces(video)
    )
    figures: dict[str, Any] = {"video_seconds": seconds, "video_bytes": video.stat().st_size, "threads": THREADS}
    for name, (kind, parameters) in SAMPLINGS.items():
        figures[name] = await race(stage, video, source.id, name, kind, parameters, rounds)
    return figures


async def race(
    stage: Stage, video: Path, source: UUID, name: str, kind: str, parameters: dict[str, Any], rounds: int
) -> dict[str, Any]:
    ours: list[float] = []
    peers: list[float] = []
    # Ours first: what the children of this process needed at most is all the system tells.
    await run_job(stage, source, kind, parameters)
    peak = {"ours": resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024, "ffmpeg": 0}
    for number in range(rounds):
        await settle(stage.url)
        ours.append(await timed(lambda: run_job(stage, source, kind, parameters)))
        await settle(stage.url)
        out = stage.directory / f"{name}-{number}"
        out.mkdir()
        started = time.perf_counter()
        peak["ffmpeg"] = max(peak["ffmpeg"], await asyncio.to_thread(run_ffmpeg, video, out, name))
        peers.append(time.perf_counter() - started)
        pictures = len(list(out.iterdir()))
        shutil.rmtree(out)
        print(f"  {name} {number + 1}: job {ours[-1]:.2f} s, ffmpeg {peers[-1]:.2f} s ({pictures} pictures)")
    medians = statistics.median(ours), statistics.median(peers)
    return {
        "job_seconds": medians[0],
        "ffmpeg_seconds": medians[1],
        "ratio": medians[0] / medians[1],
        "peak_bytes": peak,
    }


async def timed(work: Callable[[], Awaitable[object]]) -> float:
    started = time.perf_counter()
    await work()
    return time.perf_counter() - started


async def run_job(stage: Stage, source: UUID, kind: str, parameters: dict[str, Any]) -> None:
    control = stage.runtime.control
    job = await control.create(
        NewJob(owner=OWNER, name="bench", kind=kind, source_file_ids=[source], parameters=parameters)
    )
    await stage.runtime.execution.run(job.id, worker="bench")
    ended, _ = await stage.runtime.jobs.get(job.id, owner=OWNER)
    if ended.status != "completed":
        raise SystemExit(f"the job ended {ended.status}: {ended.error}")


def run_ffmpeg(video: Path, out: Path, name: str) -> int:
    """Do the same with the command line; return the most memory it had resident, in bytes."""
    pictures = ["-q:v", "3", str(out / "%05d.jpg")]
    if name == "keyframes":
        work = ["-skip_frame", "nokey", "-i", str(video), "-vsync", "vfr", *pictures]
    else:
        graph = "[0:v]fps=1,split[frames][small];[small]scale=320:-2,tile=4x15[sheet]"
        sheet = ["-map", "[sheet]", "-frames:v", "1", "-q:v", "3", str(out / "sheet.jpg")]
        work = ["-i", str(video), "-filter_complex", graph, "-map", "[frames]", *pictures, *sheet]
    command = ["ffmpeg", "-v", "error", "-nostdin", "-threads", str(THREADS), *work]
    running = subprocess.Popen(command)
    _, status, used = os.wait4(running.pid, 0)
    if status:
        raise SystemExit(f"ffmpeg ended with {status}")
    return used.ru_maxrss * 1024


def make_video(path: Path, seconds: int) -> None:
    """Encode a moving, slightly noisy test picture with B-frames, as cameras and editors do."""
    graph = av.filter.Graph()
    picture = graph.add("testsrc2", f"size=1920x1080:rate={RATE}:duration={seconds}")
    noise, pixels = graph.add("noise", "alls=4:allf=t"), graph.add("format", "pix_fmts=yuv420p")
    end = graph.add("buffersink")
    for before, after in ((picture, noise), (noise, pixels), (pixels, end)):
        before.link_to(after)
    graph.configure()
    with av.open(str(path), "w") as output:
        stream = output.add_stream("libx264", rate=RATE, options={"preset": "veryfast", "crf": "23", "bf": "3"})
        stream.width, stream.height, stream.pix_fmt = 1920, 1080, "yuv420p"
        while True:
            try:
                frame = graph.pull()
            except av.error.EOFError:
                break
            output.mux(stream.encode(frame))  # type: ignore[arg-type]
        output.mux(stream.encode(None))


async def read_pieces(path: Path) -> Body:
    with path.open("rb") as file:
        while piece := file.read(2**20):
            yield piece
