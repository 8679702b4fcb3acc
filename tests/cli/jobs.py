"""Jobs as an operator makes them, and products as a run brings them."""

from uuid import UUID

from media_analysis.files.upload.pending import Place
from media_analysis.files.upload.service import Upload
from media_analysis.jobs.attempts.attempt import Attempt
from media_analysis.runtime import Runtime
from media_analysis.storage.category import Category
from tests.cli.commands import run
from tests.conftest import chunks


async def make_frame(runtime: Runtime, begun: Attempt, ordinal: int) -> None:
    """Register a product of a run."""
    about = Upload(
        owner=begun.owner,
        category=Category.FRAMES,
        filename=f"frame {ordinal}.jpg",
        declared_bytes=10,
        job_id=begun.job_id,
        parent_id=begun.sources[0].file_id,
        place=Place(role="frame", ordinal=ordinal, fence=begun.fence, instant_seconds=ordinal / 2),
        run=begun.folder_name,
    )
    await runtime.files.uploads.store_file(about, chunks(b"0123456789"))


def created(environment: dict[str, str], *arguments: str) -> UUID:
    made = run("job", "create", *arguments, **environment)
    assert made.returncode == 0, made.stderr
    return UUID(made.stdout.strip())
