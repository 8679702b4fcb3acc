"""Where root's server goes when its account cannot enter the data directory, and how it is found again."""

import os
import shutil
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest

from media_analysis.db.embedded import embedded_server, location, programs, unlink_server
from media_analysis.db.embedded.account import OsAccount, choose_account
from media_analysis.errors import EmbeddedServerFailed, NoDataDirectory
from tests.db.embedded.servers import copy_of, end_leftovers, facts_of, run_statement, start_and_stop, tree_of

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root gives PostgreSQL to another account")


@pytest.fixture
def closed(home: Path) -> Path:
    """A directory like root's home."""
    directory = home / "closed"
    directory.mkdir(mode=0o700)
    return directory


@pytest.fixture
def base(home: Path) -> Path:
    return home / "base"


@pytest.fixture
def data_dir(closed: Path, base: Path, template: Path) -> Path:
    """A data directory that the account cannot enter, and whose server is a stopped one elsewhere."""
    data_dir = closed / "var"
    data_dir.mkdir()
    server = _place(data_dir, base)
    copy_of(template, server)
    return data_dir


def _place(data_dir: Path, base: Path, said: list[str] | None = None) -> Path:
    told: list[str] = [] if said is None else said
    return location.Location(data_dir / "postgres", choose_account(None), base, told.append).find_or_choose()


def _only(base: Path) -> Path:
    (home,) = base.iterdir()
    return home


def test_two_first_starts_at_the_same_moment_choose_one_place(closed: Path, base: Path) -> None:
    started = Barrier(2)

    def choose(data_dir: Path) -> Path:
        started.wait()
        return _place(data_dir, base)

    with ThreadPoolExecutor(2) as starts:
        for number in range(20):
            first, second = starts.map(choose, [closed / str(number)] * 2)
            assert first == second

    assert len(list(base.iterdir())) == 20


async def words_of(data_dir: Path, base: Path, **options: object) -> list[str]:
    async with embedded_server(data_dir / "postgres", base=base, **options) as server:  # type: ignore[arg-type]
        return await run_statement(server.url, "SELECT word FROM kept")


async def test_it_lies_where_its_account_reaches_it_and_nothing_is_opened_up(
    home: Path, closed: Path, base: Path, account: OsAccount
) -> None:
    said: list[str] = []
    before = {parent: facts_of(parent) for parent in (closed, *closed.parents)}

    async with embedded_server(closed / "a b" / "postgres", base=base, report=said.append) as server:
        await run_statement(server.url, "CREATE TABLE kept AS SELECT 'precious' AS word")
    found = await words_of(closed / "a b", base, creates=False)

    lies_in = _only(base)
    assert found == ["precious"]
    assert said[0] == (
        f"the account {account.name!r}, which runs PostgreSQL, cannot enter {closed}: "
        f"the database lies in {lies_in}, back it up with the data directory"
    )
    assert {parent: facts_of(parent) for parent in before} == before
    assert (closed / "a b" / "postgres").read_text() == f"{lies_in}\n"
    modes = [stat.S_IMODE(path.stat().st_mode) for path in (base, lies_in, lies_in / "postgres")]
    assert modes == [0o755, 0o755, 0o700]


def test_two_data_directories_have_a_server_each(closed: Path, base: Path) -> None:
    places = {_place(closed / name, base) for name in ("one", "other", "one")}

    assert len(places) == 2


async def test_a_moved_data_directory_keeps_its_server(data_dir: Path, closed: Path, base: Path) -> None:
    said: list[str] = []
    moved = Path(shutil.move(data_dir, closed / "moved"))

    first = await words_of(moved, base, report=said.append)
    second = await words_of(moved, base)

    assert first == second == ["precious"]
    assert f"{data_dir} has become {moved}" in said[0]


async def test_a_copy_is_refused_until_it_is_the_only_one(data_dir: Path, closed: Path, base: Path) -> None:
    copy = closed / "copy"
    shutil.copytree(data_dir, copy)

    with pytest.raises(EmbeddedServerFailed, match=f"{copy} is a copy of {data_dir}"):
        await start_and_stop(copy / "postgres", base=base)
    (data_dir / "postgres").unlink()

    assert await words_of(copy, base) == ["precious"]


async def test_a_server_that_is_gone_is_never_replaced_by_an_empty_one(data_dir: Path, base: Path) -> None:
    lies_in = _only(base)
    shutil.move(lies_in, base / "elsewhere")

    with pytest.raises(EmbeddedServerFailed, match=f"lies in {lies_in}, as .* says, and is not there"):
        await start_and_stop(data_dir / "postgres", base=base)

    assert not lies_in.exists()


def test_a_directory_made_anew_says_what_an_earlier_one_left(data_dir: Path, base: Path) -> None:
    said: list[str] = []
    earlier = _only(base)
    shutil.rmtree(data_dir)

    anew = _place(data_dir, base, said)

    assert said[0] == f"the database of an earlier {data_dir} is left in {earlier}; nothing uses it"
    assert anew.parent != earlier


async def test_a_start_that_died_before_its_record_is_taken_up(closed: Path, base: Path) -> None:
    begun = _place(closed / "var", base)
    (closed / "var" / "postgres").unlink()

    assert _place(closed / "var", base) == begun


async def test_what_others_could_replace_is_refused(data_dir: Path, base: Path) -> None:
    _only(base).chmod(0o777)

    with pytest.raises(EmbeddedServerFailed, match="no directory that only this user can write"):
        await start_and_stop(data_dir / "postgres", base=base)


def test_a_scratch_server_goes_with_its_directory(data_dir: Path, base: Path) -> None:
    unlink_server(data_dir / "postgres")

    assert list(base.iterdir()) == []
    assert list(data_dir.iterdir()) == []


async def test_programs_that_the_account_cannot_enter_are_copied_once(
    closed: Path, home: Path, base: Path, account: OsAccount, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    packages = programs.find_binaries().parents[2]
    for name in programs.COPIED:
        shutil.copytree(packages / name, closed / name)
    binaries = closed / programs.PACKAGE / programs.INSTALLATION / "bin"
    monkeypatch.setattr(programs, "find_binaries", lambda: binaries)

    # With its libraries: a first start runs all of them.
    await start_and_stop(home / "postgres", base=base, report=said.append)
    again = programs.reachable_binaries(account, base, said.append)

    copy = _only(base / "programs")
    assert [sentence for sentence in said if sentence.startswith("copying")] == [
        f"copying PostgreSQL's programs to {copy}: the account {account.name!r} cannot enter {closed}"
    ]
    assert again == copy / binaries.relative_to(closed)
    assert stat.S_IMODE(facts_of(closed)[0]) == 0o700


@pytest.mark.parametrize("left", ["nothing", "a folder", "an unfinished database"])
async def test_where_nothing_is_to_be_created_nothing_is(home: Path, left: str) -> None:
    if left != "nothing":
        (home / "var" / "postgres").mkdir(parents=True)
    if left == "an unfinished database":
        (home / "var" / "postgres" / "data.new").mkdir()
    before = set(tree_of(home))

    with pytest.raises(NoDataDirectory, match=f"{home}/var is not a data directory"):
        await start_and_stop(home / "var" / "postgres", creates=False)

    assert set(tree_of(home)) == before
    end_leftovers(home / "var" / "postgres")
