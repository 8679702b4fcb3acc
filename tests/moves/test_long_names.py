"""Names of thousands of bytes, which a disk has: those of files move, and what else has one stops no move."""

import random
from pathlib import Path

from media_analysis.cli.import_ import destination_of
from media_analysis.imports.tree.candidates import Skip
from media_analysis.imports.tree.service import TreeImportRequest
from media_analysis.moves.service import MoveService
from media_analysis.moves.switching import SwitchService
from media_analysis.storage.category import Category
from media_analysis.storage.keys import LONGEST_KEY_BYTES
from tests.conftest import fetch
from tests.imports.tree.conftest import write
from tests.moves.conftest import MovesOf, OpenAt

SIGNS = [chr(number) for number in range(0x4E00, 0x9FFF)]


def name_of(size_bytes: int) -> str:
    """Return a path of so many bytes that nothing compresses: PostgreSQL would before it indexes it."""
    signs = random.Random(size_bytes).choices(SIGNS, k=size_bytes // 3)
    parts = ["".join(signs[start : start + 80]) for start in range(0, len(signs), 80)]
    path = "/".join(parts)
    while len(path.encode()) > size_bytes:
        path = path[:-1]
    return path + "x" * (size_bytes - len(path.encode()))


async def test_the_longest_key_that_is_imported_in_place_moves_and_longer_names_are_left_alone(
    open_at: OpenAt, moves_of: MovesOf, old: str, new: str, tmp_path: Path, database: str
) -> None:
    root, prefix = tmp_path / "old", "frames/"
    longest = prefix + name_of(LONGEST_KEY_BYTES - len(prefix))
    aside = f".quarantine/2026-01-01/{name_of(3_000)}"
    async with open_at(old, inspects=False) as runtime:
        for key in (longest, f"{longest}y", aside):
            write(root / key)
        request = TreeImportRequest(directory=root / "frames", category=Category.FRAMES, owner="alice", actor="test")
        report = await destination_of(runtime).run(request)
        done = await MoveService(moves_of(runtime)).copy(new, archives=False)
        await SwitchService(moves_of(runtime)).switch()

    assert (report.files, report.skipped) == (1, {Skip.UNNAMEABLE: 1})
    assert (done.copied, done.skipped) == (1, 1)
    assert [row["key"] for row in await fetch(database, "SELECT key FROM media_files")] == [longest]
    assert (tmp_path / "new" / longest).exists()
