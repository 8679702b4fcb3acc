"""The command line: `media-analysis serve`, `migrate`, `sweep`, `session` and `config`."""

import sys

import typer

from media_analysis.cli import config, migrate, serve, session, sweep
from media_analysis.cli.console import complain
from media_analysis.errors import MediaAnalysisError

app = typer.Typer(
    name="media-analysis",
    help="Owns media files from upload to deletion.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command("serve")(serve.serve)
app.command("migrate")(migrate.migrate)
app.command("sweep")(sweep.sweep)
app.command("config")(config.config)
app.add_typer(session.app, name="session")


def main() -> None:
    """Run a command; what it refuses to do is one sentence on standard error and exit code 1."""
    try:
        app()
    except MediaAnalysisError as error:
        complain(str(error))
        sys.exit(1)
