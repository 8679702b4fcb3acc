"""Files by parts of their names."""

from media_analysis.files.filters import FileFilter
from media_analysis.files.named import find_named
from media_analysis.runtime import Runtime
from media_analysis.states import FileState
from tests.conftest import StoreFile


async def test_a_page_looks_at_so_many_and_the_next_ones_at_the_rest(runtime: Runtime, store_file: StoreFile) -> None:
    wanted = [
        (await store_file(filename=name)).id for name in ("sea 1", "hill 0", "hill 1", "hill 2", "sea 2", "sea 3")
    ]
    filtered = FileFilter(owner="alice", state=FileState.STORED)
    reads, after, pages = runtime.db.driver.reads, None, []

    while True:
        page = await find_named(reads, filtered, "SEA", after=after, limit=1, most_looked_at=2)
        pages.append([row["id"] for row in page.files])
        if (after := page.next_after) is None:
            break

    assert pages == [[str(wanted[5])], [str(wanted[4])], [], [str(wanted[0])]]
