"""Tables: what folds in a terminal, and what never does."""

from uuid import UUID

import pytest

from media_analysis.cli.console import out
from media_analysis.cli.tables import short_id, tabulate
from tests.conftest import StoreFile, fetch


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(out, "_force_terminal", True)
    monkeypatch.setattr(out, "_width", 80)


@pytest.mark.usefixtures("runtime", "terminal")
async def test_an_id_from_the_database_stays_whole_beside_words_without_room(
    store_file: StoreFile, database: str, capsys: pytest.CaptureFixture[str]
) -> None:
    file = await store_file()
    ((file_id,),) = await fetch(database, "SELECT id FROM media_files")

    wide = "w" * 90
    tabulate(("name", "id", *"abcdef"), [(wide, file_id, *[wide] * 6)])

    printed = capsys.readouterr().out
    assert type(file_id) is not UUID, "what a driver delivers is a kind of its own"
    assert short_id(file.id) in printed
    assert max(map(len, printed.splitlines())) <= 80
