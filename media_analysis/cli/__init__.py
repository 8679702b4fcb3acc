"""The command line: `media-analysis` and its commands, each in a module of its own."""

import sys

import typer

from media_analysis.cli import (
    archive,
    config,
    demo,
    explain,
    forecast,
    hold,
    import_,
    import_runs,
    job,
    migrate,
    pause,
    plan,
    policy,
    pressure,
    restore,
    serve,
    session,
    sweep,
    verify,
    work,
)
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
app.command("work")(work.work)
app.command("demo")(demo.demo)
app.command("migrate")(migrate.migrate)
app.command("sweep")(sweep.sweep)
app.command("restore")(restore.restore)
app.command("explain")(explain.explain)
app.command("forecast")(forecast.forecast)
app.command("pause")(pause.pause)
app.command("resume")(pause.resume)
app.command("pauses")(pause.pauses)
app.command("verify")(verify.verify)
app.command("import")(import_.import_)
app.command("import-runs")(import_runs.import_runs)
app.command("pressure")(pressure.pressure)
app.command("hold")(hold.hold)
app.command("release")(hold.release)
app.command("extend")(hold.extend)
app.command("config")(config.config)
app.add_typer(job.app, name="job")
app.add_typer(archive.app, name="archive")
app.add_typer(policy.app, name="policy")
app.add_typer(plan.app, name="plan")
app.add_typer(session.app, name="session")


def main() -> None:
    """Run a command; what it refuses to do is one sentence on standard error and exit code 1."""
    try:
        app()
    except MediaAnalysisError as error:
        complain(str(error))
        sys.exit(1)
