"""On a directory that no service keeps its data in, every command but `serve` refuses, and creates nothing."""

import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog
import typer.main
from typer.testing import CliRunner

from media_analysis.cli import app
from media_analysis.cli.deferred import Deferred
from media_analysis.errors import NoDataDirectory
from tests.cli.commands import clean
from tests.db.embedded.servers import tree_of

ID = "01a1fd8f-c447-77c4-a180-1b512ef5a720"
ARGUMENTS: dict[str, tuple[str, ...]] = {
    "explain": (ID,),
    "pause": ("--reason", "backup"),
    "resume": ("--all", "--confirm", "0"),
    "restore": (ID,),
    "import": ("{old}", "--category", "frames"),
    "import-runs": ("{old}",),
    "hold": (ID, "--reason", "case 17"),
    "release": (ID,),
    "extend": (ID, "--for", "30d"),
    "job watch": (ID,),
    "job files": (ID,),
    "job results": (ID,),
    "job delete": (ID,),
    "job create": ("probe", "--source", ID),
    "job show": (ID,),
    "job cancel": (ID,),
    "job retry": (ID,),
    "archive restore": (ID,),
    "archive download": (ID,),
    "archive verify": ("--all",),
    "policy preview": ("{new}",),
    "policy apply": ("{new}",),
    "plan show": (ID,),
    "plan apply": (ID, "--hash", "0"),
    "session create": ("--owner", "alice"),
    "session revoke": (ID,),
    "purge retry": ("--all",),
    "store move": ("--to", "file://{old}/new"),
    "records export": ("audit",),
}
REMOTE = {"login", "logout", "upload", "download", "ls", "rm", "watch"}
WITHOUT_DATA = {"serve", "demo", "config", "doctor"} | REMOTE
"""`serve` and `demo` make a data directory, `config` looks at none, `doctor` says what is wrong with it, and some ask a
server."""


@pytest.fixture(autouse=True)
def restored_logging() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers, root.level = handlers, level
    structlog.reset_defaults()


def names_of(command: Any, above: str = "") -> Iterator[str]:
    for name, inner in command.commands.items():
        path, loaded = f"{above} {name}".strip(), inner.load() if isinstance(inner, Deferred) else inner
        if hasattr(loaded, "commands"):
            yield from names_of(loaded, path)
        else:
            yield path


def commands() -> list[str]:
    return [name for name in names_of(typer.main.get_command(app)) if name not in WITHOUT_DATA]


@pytest.fixture
def given(tmp_path: Path) -> dict[str, str]:
    """What commands need to be given."""
    old, new = tmp_path / "old", tmp_path / "new.yaml"
    old.mkdir()
    (old / "frame.jpg").write_bytes(b"a picture")
    new.write_text("storage: {retention: {temp: 2h}}\n")
    return {"old": str(old), "new": str(new)}


def refusals_of(names: list[str], given: dict[str, str], environment: dict[str, str]) -> dict[str, object]:
    """Run the commands here and return what each of them raised or, if it did not, said."""
    refusals: dict[str, object] = {}
    cleared: dict[str, str | None] = dict.fromkeys(os.environ.keys() - clean({}).keys())
    for name in names:
        arguments = [argument.format(**given) for argument in ARGUMENTS.get(name, ())]
        ended = CliRunner().invoke(app, [*name.split(), *arguments], env={**cleared, **environment})
        refusals[name] = ended.exception if isinstance(ended.exception, Exception) else ended.output
    return refusals


@pytest.mark.parametrize("kind", ["missing", "empty", "foreign"])
def test_without_a_database_url(tmp_path: Path, given: dict[str, str], kind: str) -> None:
    data_dir = tmp_path / "mistyped"
    if kind != "missing":
        data_dir.mkdir()
    if kind == "foreign":
        (data_dir / "postgres").mkdir()
        (data_dir / "postgres" / "notes.txt").write_text("about a database")
    before = set(tree_of(tmp_path))

    refusals = refusals_of(commands(), given, {"MEDIA_ANALYSIS_DATA_DIR": str(data_dir)})

    assert {name: said for name, said in refusals.items() if not isinstance(said, NoDataDirectory)} == {}
    assert {str(said).partition(":")[0] for said in refusals.values()} == {
        f"{data_dir} is not a data directory of media-analysis"
    }
    assert set(tree_of(tmp_path)) == before


def test_with_a_database_url(tmp_path: Path, given: dict[str, str], database: str) -> None:
    before = set(tree_of(tmp_path))
    environment = {"MEDIA_ANALYSIS_DATA_DIR": str(tmp_path / "mistyped"), "DATABASE_URL": database}

    refusals = refusals_of([name for name in commands() if name != "migrate"], given, environment)

    assert {name: said for name, said in refusals.items() if not isinstance(said, NoDataDirectory)} == {}
    assert set(tree_of(tmp_path)) == before
