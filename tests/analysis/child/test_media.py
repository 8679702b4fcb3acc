"""Real media in a confined child."""

from collections import Counter
from pathlib import Path
from uuid import uuid4

import pytest

from media_analysis.analysis.child.confinement import Confinement
from media_analysis.analysis.child.fork_server import ForkServer
from media_analysis.analysis.child.protocol import Assignment, ProductMade
from media_analysis.analysis.child.running import run_task
from media_analysis.analysis.task import Source
from media_analysis.errors import MediaAnalysisError
from media_analysis.errors.analysis import AnalysisCrashed, AnalysisMemoryPassed, AnalysisTimedOut
from media_analysis.media.options import Limits
from media_analysis.storage.category import Category
from tests.analysis.child.conftest import collect
from tests.media import clips

MIB = 2**20


def analysis(path: Path) -> Assignment:
    source = Source(
        position=0,
        file_id=uuid4(),
        path=path,
        filename=path.name,
        media_type="video/mp4",
        size_bytes=path.stat().st_size,
    )
    return Assignment(kind="analyze", sources=[source], parameters={"every_seconds": 0.04}, limits=Limits())


@pytest.mark.parametrize("name", ["bikes", "bigbuckbunny", "carphone_pristine"])
async def test_real_videos_are_analysed_behind_the_walls(name: str, fork_server: ForkServer) -> None:
    messages = await collect(run_task(analysis(clips.sample(name)), confinement=Confinement(), fork_server=fork_server))

    made = Counter(message.product.category for message in messages if isinstance(message, ProductMade))
    assert made[Category.FRAMES] > 90
    assert (made[Category.CONTACT_SHEETS], made[Category.OUTPUTS]) == (1, 1)


async def test_too_little_memory_is_said_to_be_that_wherever_it_runs_out(fork_server: ForkServer) -> None:
    """Codecs that get no memory, or no thread, call the file invalid; it is not."""
    said: list[type[MediaAnalysisError]] = []

    for mebibytes in (130, 145, 160, 180, 200, 220, 240, 260):
        confinement = Confinement(memory_bytes=mebibytes * MIB, seconds=20)
        try:
            await collect(run_task(analysis(clips.ultra_hd()), confinement=confinement, fork_server=fork_server))
        except MediaAnalysisError as error:
            said.append(type(error))

    # A codec may also stand still where it gets no thread, and PyAV falls over where it gets no memory for a container;
    # how often, and whether the largest limits are enough, depends on the machine and on what else runs. What is never
    # said is that the file were to blame.
    assert said.count(AnalysisMemoryPassed) >= 3
    assert all(issubclass(error, AnalysisMemoryPassed | AnalysisTimedOut | AnalysisCrashed) for error in said)
