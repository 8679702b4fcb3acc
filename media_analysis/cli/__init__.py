"""The command line: `media-analysis` and its commands, each in a module of its own that is loaded when it is called."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Final

import typer
from typer.exceptions import TyperException

from media_analysis.cli.deferred import Deferred, group_of
from media_analysis.cli.exits import CommandRefused
from media_analysis.errors import InvalidRequest, MediaAnalysisError

if TYPE_CHECKING:
    from typer import Context

LOADED_OBJECTS: Final = 100_000
"""How many new objects may pile up while modules are loaded, of which nearly all stay."""
COMMANDS: Final = tuple(
    Deferred(name, f"{__name__}.{target}", short_help)
    for name, target, short_help in (
        ("serve", "serve:serve", "Serve the API and run the scheduler"),
        ("work", "work:work", "Run jobs on this machine"),
        ("demo", "demo:demo", "Show one video's life on a scratch directory"),
        ("login", "login:login", "Keep a server's address and a token for it"),
        ("logout", "login:logout", "Forget them"),
        ("upload", "upload:upload", "Upload files to a server"),
        ("download", "download:download", "Download files of a server"),
        ("ls", "ls:ls", "List the files of a server"),
        ("rm", "rm:rm", "Delete files of a server"),
        ("watch", "watch:watch", "Follow what happens on a server"),
        ("migrate", "migrate:migrate", "Bring the database to this version's schema"),
        ("status", "status:status", "Tell how everything stands, on one screen"),
        ("config", "config:config", "Print every setting and where it came from"),
        ("doctor", "doctor:doctor", "Check an installation and its running service"),
        ("job", "job:app", "Create jobs, look at them, stop them"),
        ("explain", "explain:explain", "Say when a file or a job goes, and why"),
        ("hold", "hold:hold", "Keep a file or a job from being deleted"),
        ("release", "hold:release", "Release what is held"),
        ("extend", "hold:extend", "Set when a file or a job ends"),
        ("restore", "restore:restore", "Take files out of the trash"),
        ("sweep", "sweep:sweep", "Delete what is due, or rehearse it"),
        ("plan", "plan:app", "Plan a sweep, look at the plan, apply it"),
        ("policy", "policy:app", "Show, preview and apply retention policies"),
        ("forecast", "forecast:forecast", "Tell what comes in, falls due and is used"),
        ("pressure", "pressure:pressure", "Tell what is too full, or relieve it"),
        ("pause", "pause:pause", "Stop deletion"),
        ("resume", "pause:resume", "Let deletion go on"),
        ("pauses", "pause:pauses", "List where deletion stands still"),
        ("archive", "archive:app", "Pack runs, prove archives, bring runs back"),
        ("store", "store:app", "Move the store to another disk or bucket"),
        ("verify", "verify:verify", "Hold store and database against each other"),
        ("replica", "replica:app", "Show replicas, second copies of what is stored, and mend them"),
        ("import", "import_:import_", "Import an existing tree of files"),
        ("import-runs", "import_runs:import_runs", "Import old runs and their archives"),
        ("records", "records:app", "Show how long records are kept, end them"),
        ("purge", "purge:app", "Try deletions again that were given up"),
        ("session", "session:app", "Make tokens, list and revoke them"),
    )
)

app = typer.Typer(
    name="media-analysis",
    cls=group_of(COMMANDS),
    help="Owns media files from upload to deletion.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


def _print_version(*, wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"media-analysis {version('media-analysis')}")
        raise typer.Exit


@app.callback()
def media_analysis(
    *,
    _version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit")
    ] = False,
) -> None:
    """Owns media files from upload to deletion."""


def main() -> None:
    """Run a command; what is refused is one sentence on standard error: its exit code says which kind."""
    # As it comes, it looks at all that is loaded again and again: a fifth of what a command takes to begin.
    gc.set_threshold(LOADED_OBJECTS, *gc.get_threshold()[1:])
    try:
        _require_text(sys.argv[1:])
        code = app(prog_name="media-analysis", standalone_mode=False)
    except CommandRefused as error:
        sentence, code = str(error), error.exit_code
    except MediaAnalysisError as error:
        sentence, code = "; ".join([str(error), *getattr(error, "__notes__", ())]), 1
    except TyperException as error:
        sentence, code = _usage(error), error.exit_code
    except typer.Abort:
        sentence, code = "aborted", 1
    else:
        sys.exit(code if isinstance(code, int) else 0)
    if sentence:
        from media_analysis.cli.console import complain

        complain(sentence)
    sys.exit(code)


def _require_text(words: Sequence[str]) -> None:
    """Refuse what is no text; only names of files may be any bytes.

    Raises:
        InvalidRequest: some word is none, nor the name of a file that is there.

    """
    for word in words:
        if not word.isprintable() and any("\ud800" <= letter <= "\udfff" for letter in word):
            name = word.partition("=")[2] if word.startswith("--") else word
            if not os.path.lexists(name):
                raise InvalidRequest("command line", f"{word!a} is not text in UTF-8")


def _usage(error: TyperException) -> str:
    """Return what is wrong with a command line and where help is; nothing where help was printed already."""
    said = " ".join(error.format_message().split())
    for framework, ours in (("Value error, ", ""), ("Input should be", "it should be")):
        said = said.replace(framework, ours)
    context: Context | None = getattr(error, "ctx", None)
    where = "media-analysis" if context is None else context.command_path
    return said and f"{said.rstrip('.')}; see {where} --help"
