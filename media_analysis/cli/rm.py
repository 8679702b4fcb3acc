"""`media-analysis rm`: files of a server, by their ids or all that a filter names."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import typer

from media_analysis.cli.console import instant, out, report, say
from media_analysis.cli.exits import FAILED, CommandRefused
from media_analysis.cli.grammar import IdPart, parse_id, parse_reason
from media_analysis.cli.ls import ExpiringBefore, OfCategory, OfLabels, OfOwner, filters
from media_analysis.cli.remote import exit_code_of, open_client, require_server, sentence_of
from media_analysis.cli.remote_ids import remote_file_id
from media_analysis.cli.tables import SizeCell, tabulate
from media_analysis.errors import InvalidRequest
from media_analysis.units import round_size

if TYPE_CHECKING:
    from media_analysis.client import Client, Removal


def rm(
    files: Annotated[
        list[IdPart] | None,
        typer.Argument(metavar="[ID]...", help="Files: their ids, or the ends of them", parser=parse_id),
    ] = None,
    *,
    category: OfCategory = None,
    label: OfLabels = None,
    owner: OfOwner = None,
    expiring_before: ExpiringBefore = None,
    reason: Annotated[str | None, typer.Option(help="Why, for the audit trail", show_default=False)] = None,
    keep_derived: Annotated[bool, typer.Option("--keep-derived", help="Not what was derived from them")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print what would go, and delete nothing")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask before")] = False,
    confirm: Annotated[
        int | None,
        typer.Option(min=0, help="The number that a dry run says is needed where very many go", show_default=False),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print it as JSON")] = False,
) -> None:
    """Delete files of a server, into its trash if there is one, with what was derived from them.

    More than one are asked about unless --yes was given. What a filter names is counted first; where that is an unusual
    share of a category, its number has to be typed, or given with --confirm.
    """
    wanted = {name: value for name, value in filters(category, label, owner, expiring_before).items() if value}
    if bool(wanted) == bool(files):
        raise CommandRefused("name files by their ids, or by a filter such as --label; one of the two", 2)
    how = {
        "reason": None if reason is None else parse_reason(reason),
        "derived": "keep" if keep_derived else "take",
    }
    with open_client(require_server()) as client:
        if files:
            ids = list(dict.fromkeys(remote_file_id(client, part) for part in files))
            if len(ids) > 1 and not dry_run:
                _ask(f"Delete {len(ids):,} files?", yes=yes)
            raise typer.Exit(_delete_each(client, ids, how, dry_run=dry_run, as_json=as_json))
        _delete_matching(client, {**wanted, **how}, dry_run=dry_run, yes=yes, confirm=confirm, as_json=as_json)


def _delete_each(client: Client, ids: list[UUID], how: dict[str, Any], *, dry_run: bool, as_json: bool) -> int:
    from media_analysis.client.errors import Problem

    codes: list[int] = []
    for file_id in ids:
        try:
            gone = client.delete_file(file_id, dry_run=dry_run, **how)
        except Problem as error:
            codes.append(exit_code_of(error))
            report(f"{file_id}: {sentence_of(error, '')}")
            if as_json:
                sys.stdout.write(
                    f"{json.dumps({'file_id': str(file_id), 'error': {'code': error.code, 'detail': str(error)}})}\n"
                )
            continue
        if as_json:
            told = {"file_id": str(file_id)} if gone is None else dict(gone.document)
            sys.stdout.write(f"{json.dumps(told)}\n")
            continue
        along = "" if gone is None or not gone.derived.files else f", and {gone.derived.files:,} derived from it"
        say(f"{'would delete' if dry_run else 'deleted'} {file_id}{along}")
    return 0 if not codes else codes[0] if len(ids) == 1 else FAILED


def _delete_matching(
    client: Client, wanted: dict[str, Any], *, dry_run: bool, yes: bool, confirm: int | None, as_json: bool
) -> None:
    counted = client.delete_files(**wanted, dry_run=True)
    if dry_run or not counted.files:
        _tell(counted, as_json=as_json)
        return
    if not (as_json or yes or confirm is not None):
        _tell(counted, as_json=False)
    confirm = _confirmed(counted, yes=yes, confirm=confirm)
    _tell(client.delete_files(**wanted, dry_run=False, confirm=confirm), as_json=as_json)


def _confirmed(counted: Removal, *, yes: bool, confirm: int | None) -> int | None:
    """Return the number that is confirmed, None where none is needed, once somebody agreed."""
    if counted.needs is None:
        if confirm is None:
            _ask(f"Delete {counted.files:,} files?", yes=yes)
        return confirm
    if confirm is None:
        if not _can_ask():
            raise InvalidRequest(
                "--confirm", f"would delete an unusual share; --confirm {counted.needs} says it is meant"
            )
        typed = typer.prompt("That is an unusual share. Type how many go to delete them", type=int, err=True)
        confirm = int(typed)
    if confirm != counted.needs:
        raise InvalidRequest("--confirm", f"{confirm} is not the number that would go; nothing was deleted")
    return confirm


def _ask(question: str, *, yes: bool) -> None:
    if yes:
        return
    if not _can_ask():
        raise InvalidRequest("--yes", "has to be given, for nobody can be asked here")
    typer.confirm(question, abort=True, err=True)


def _can_ask() -> bool:
    return sys.stdin.isatty() and sys.stderr.isatty()


def _tell(told: Removal, *, as_json: bool) -> None:
    if as_json:
        out.print_json(json.dumps(dict(told.document)))
        return
    categories = told.document.get("categories", {})
    if categories:
        rows = [(name, amount["files"], SizeCell(amount["size_bytes"])) for name, amount in categories.items()]
        tabulate(("category", "files", "bytes"), rows)
    verb = "would delete" if told.dry_run else "deleted"
    say(f"{verb} {told.files:,} files, {round_size(told.size_bytes)}, and {told.results:,} results")
    for obstacle in told.kept:
        report(f"{obstacle.rule} keeps {obstacle.files:,} files until {instant(obstacle.until, 'somebody acts')}")
    if not told.dry_run and told.left:
        report(f"{told.left:,} at least are left; ask again")
    if not told.dry_run and told.files and told.restorable_until is not None:
        report(f"restorable until {instant(told.restorable_until)}")
