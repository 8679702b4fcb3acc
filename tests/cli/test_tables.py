"""Tables: what folds in a terminal, and what never does."""

import json
from datetime import UTC, datetime
from uuid import UUID

import pytest

from media_analysis.cli.console import complain, out, say
from media_analysis.cli.job_display import JobDisplay
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


HOSTILE = "a\n\x1b[2Jb\x9b1m\u202ec [bold]d[/bold] [/red] :smile:\r"
SHOWN = r"a\u000a\u001b[2Jb\u009b1m\u202ec [bold]d[/bold] [/red] :smile:\u000d"


def test_a_name_in_a_table_steers_no_terminal_and_is_no_markup(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    tabulate(("name", "size"), [(HOSTILE, 7)])
    piped = capsys.readouterr().out
    monkeypatch.setattr(out, "_force_terminal", True)
    monkeypatch.setattr(out, "_width", 200)
    tabulate(("name", "size"), [(HOSTILE, 7)])

    assert piped.splitlines()[1].startswith(SHOWN)
    assert SHOWN in capsys.readouterr().out


@pytest.mark.usefixtures("terminal")
def test_a_sentence_steers_no_terminal_and_json_says_what_was_said(capsys: pytest.CaptureFixture[str]) -> None:
    say(HOSTILE)
    complain(HOSTILE)
    out.print_json(json.dumps({"name": HOSTILE}), highlight=False)

    said = capsys.readouterr()
    everything = said.out + said.err
    assert [steering for steering in ("\x1b[2J", "\x9b", "\u202e", "\r") if steering in everything] == []
    assert "[bold]d[/bold] [/red] :smile:" in said.err
    assert json.loads(said.out[said.out.index("{") :])["name"] == HOSTILE


@pytest.mark.usefixtures("terminal")
def test_what_a_job_says_is_shown_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    at = datetime(2026, 1, 1, tzinfo=UTC)

    with JobDisplay(out) as display:
        display.tell("progress", {"progress": 0.5, "stage": HOSTILE, "done": 1, "total": 2}, at)
        display.tell("warning", {"code": "odd", "detail": HOSTILE}, at)

    printed = capsys.readouterr().out
    assert "[bold]d[/bold] [/red]" in printed
    assert [steering for steering in ("\x1b[2Jb", "\x9b", "\u202e") if steering in printed] == []
