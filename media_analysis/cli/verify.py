"""`media-analysis verify`: store and database held against each other."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from media_analysis.cli.console import ConfigFile, DataDir, err, load, out, run
from media_analysis.cli.grammar import parse_amount, parse_span
from media_analysis.cli.progress import counting_bar
from media_analysis.cli.services import open_services
from media_analysis.cli.tables import tabulate
from media_analysis.errors import InvalidRequest
from media_analysis.units import round_size

if TYPE_CHECKING:
    from media_analysis.integrity.reckoning import Reckoning
    from media_analysis.integrity.scrub import ScrubReport
    from media_analysis.integrity.verify import VerifyReport, VerifyRequest, VerifyService
    from media_analysis.settings import Settings

PRINTED = 100


def verify(
    *,
    ledger: Annotated[bool, typer.Option("--ledger", help="Prove that the ledger is the sum of the rows")] = False,
    scrub: Annotated[bool, typer.Option("--scrub", help="Go on with the scrub's round, within --budget")] = False,
    read: Annotated[bool, typer.Option("--hash", help="Read every object again and compare its SHA-256")] = False,
    quarantine: Annotated[bool, typer.Option("--quarantine", help="Move untracked objects out of the way")] = False,
    grace: Annotated[str, typer.Option(help="Untracked objects younger than this are only counted")] = "1h",
    rate: Annotated[str, typer.Option(help="Bytes read in a second at most, or none for no limit")] = "20MiB",
    budget: Annotated[str, typer.Option(help="How long --scrub may take")] = "10m",
    as_json: Annotated[bool, typer.Option("--json", help="Print the outcome as JSON")] = False,
    data_dir: DataDir = None,
    config: ConfigFile = None,
) -> None:
    """Look for missing, untracked, changed and damaged objects; exit code 2 when something is wrong.

    Nothing is deleted here: --quarantine moves what no row names to .quarantine/ in the store, where its life ends it.
    """
    from media_analysis.integrity.verify import VerifyRequest

    if ledger + scrub + (read or quarantine) > 1:
        raise InvalidRequest("--ledger", "either --ledger, or --scrub, or a walk with --hash and --quarantine")
    settings, bytes_per_second = load(config, data_dir).settings, _rate(rate)
    if ledger:
        wrong = _print_ledger(run(_reckon(settings)), as_json=as_json)
    elif scrub:
        wrong = _print_scrub(run(_scrub(settings, bytes_per_second, parse_span("--budget", budget))), as_json=as_json)
    else:
        request = VerifyRequest(
            actor="command line",
            grace=parse_span("--grace", grace, shortest=timedelta()),
            read=read,
            bytes_per_second=bytes_per_second,
            quarantine=quarantine,
        )
        wrong = _print_walk(run(_walk(settings, request)), as_json=as_json)
    if wrong:
        raise typer.Exit(2)


def _rate(rate: str) -> int | None:
    return None if rate.strip().lower() == "none" else parse_amount("--rate", rate)


async def _reckon(settings: Settings) -> Reckoning:
    from media_analysis.integrity.reckoning import reckon

    async with open_services(settings) as runtime:
        return await reckon(runtime.db)


async def _scrub(settings: Settings, bytes_per_second: int | None, budget: timedelta) -> ScrubReport:
    from media_analysis.integrity.scrub import ScrubService

    async with open_services(settings) as runtime:
        return await ScrubService(runtime.db, runtime.store, bytes_per_second, budget).run()


async def _walk(settings: Settings, request: VerifyRequest) -> VerifyReport:
    from media_analysis.integrity.verify import VerifyService

    async with open_services(settings) as runtime:
        service = VerifyService(runtime.db, runtime.store)
        return await (_walk_visibly(service, request) if err.is_terminal else service.run(request))


async def _walk_visibly(service: VerifyService, request: VerifyRequest) -> VerifyReport:
    total = await service.count_files()
    with counting_bar() as bar:
        rows, objects = bar.add_task("rows", total=total), bar.add_task("objects", total=total)

        def show(so_far: VerifyReport) -> None:
            bar.update(rows, completed=so_far.files)
            bar.update(objects, completed=so_far.objects, total=max(total, so_far.objects))

        return await service.run(request, progress=show)


def _print_ledger(outcome: Reckoning, *, as_json: bool) -> bool:
    rows = [(each.table, each.of, each.column, each.told, each.truth) for each in outcome.differences]
    if as_json:
        names = ("table", "of", "column", "told", "truth")
        _print_json({"files": outcome.files, "differences": [dict(zip(names, row, strict=True)) for row in rows]})
    else:
        if rows:
            header = ("table", "of", "column", "says", "rows add up to")
            tabulate(header, rows)
        out.print(f"{outcome.files} files added up, {len(rows)} sums differ")
    return bool(rows)


def _print_scrub(outcome: ScrubReport, *, as_json: bool) -> bool:
    told = {
        "files": outcome.files,
        "size_bytes": outcome.size_bytes,
        "problems": outcome.problems,
        "round_ended": outcome.ended,
    }
    if as_json:
        _print_json(told)
    else:
        end = "the round has ended" if outcome.ended else "the next run goes on from there"
        out.print(f"read {outcome.files} files, {round_size(outcome.size_bytes)}: {outcome.problems} damaged; {end}")
    return outcome.problems > 0


def _print_walk(outcome: VerifyReport, *, as_json: bool) -> bool:
    problems = {problem.value: count for problem, count in sorted(outcome.problems.items())}
    if as_json:
        _print_json(_document(outcome, problems))
        return bool(problems)
    findings = [(each.problem.value, _shown(each.key), each.sentence) for each in outcome.findings[:PRINTED]]
    if findings:
        tabulate(("problem", "key", "what is wrong"), findings)
    told = ", ".join(f"{count} {name}" for name, count in problems.items()) or "nothing is wrong"
    out.print(f"{outcome.files} rows and {outcome.objects} objects: {told}")
    for count, words in _besides(outcome):
        if count:
            out.print(f"{count} {words}")
    return bool(problems)


def _besides(outcome: VerifyReport) -> Sequence[tuple[int, str]]:
    return (
        (max(0, outcome.problems.total() - PRINTED), "more were counted and not shown"),
        (outcome.young, "untracked objects are younger than the grace window"),
        (outcome.quarantined, "objects were moved to quarantine"),
        (outcome.hashed, "files got their hash"),
    )


def _document(outcome: VerifyReport, problems: dict[str, int]) -> dict[str, Any]:
    return {
        "files": outcome.files,
        "objects": outcome.objects,
        "bytes_read": outcome.bytes_read,
        "hashed": outcome.hashed,
        "untracked_within_grace": outcome.young,
        "quarantined": outcome.quarantined,
        "problems": problems,
        "findings": [
            {
                "problem": each.problem.value,
                "key": _shown(each.key),
                "file_id": None if each.file_id is None else str(each.file_id),
                "what": each.sentence,
            }
            for each in outcome.findings
        ],
    }


def _shown(key: str) -> str:
    return key.encode(errors="backslashreplace").decode()


def _print_json(document: dict[str, Any]) -> None:
    out.print_json(json.dumps(document))
