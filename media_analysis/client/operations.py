"""What the API can be asked for, file by file and job by job: written once, for both clients."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from media_analysis.client.answers import File, FileRemoval, Known, Removal, Session, read
from media_analysis.client.downloading import download_steps
from media_analysis.client.errors import Gone, NotUnderstood, Problem, Unreachable
from media_analysis.client.requests import (
    API,
    Api,
    Expiry,
    Id,
    Labels,
    Value,
    document_of,
    fetch,
    get,
    label_texts,
    list_all,
    pairs,
    path_id,
    post,
    seconds_of,
    written,
)
from media_analysis.client.retrying import ask, passes
from media_analysis.client.sources import Told
from media_analysis.client.steps import Emitting, Request, Steps
from media_analysis.client.uploading import upload_steps
from media_analysis.client.wishes import Memory, Wanted

_UNSET: Any = object()


def session(api: Api) -> Steps[Session]:
    """Return whose the token is."""
    return (yield from fetch(Session, get("/sessions/me"), api.patience()))


def upload(
    api: Api,
    source: Path | str | bytes,
    *,
    filename: str | None = None,
    category: str = "uploads",
    ttl: timedelta | None = None,
    expires_at: Expiry | None = None,
    labels: Labels | None = None,
    job_id: Id | None = None,
    parent_id: Id | None = None,
    memory: Memory | None = None,
    idempotency_key: str | None = None,
    told: Told | None = None,
    in_pieces: bool | None = None,
) -> Steps[File]:
    """Store a file, or bytes, and return what it became; once this returns its bytes are durable.

    What is larger than 1 MiB goes in pieces, and on where it broke off; with a `memory` also after the program ended.
    Smaller ones go in one request with an `idempotency_key`, which makes it safe to repeat for 24 hours. `told` hears
    how many bytes have gone.

    Raises:
        SourceChanged: it is no file, or changed meanwhile; nothing of it stays.
        QuotaExceeded: there is no room.

    """
    path = Path(source) if isinstance(source, str) else source
    if filename is None:
        if isinstance(path, bytes):
            raise ValueError("bytes need a filename")
        filename = path.name
    wanted = Wanted(
        filename=filename,
        category=category,
        ttl=ttl,
        expires_at=expires_at,
        labels=labels or {},
        job_id=job_id,
        parent_id=parent_id,
    )
    return (
        yield from upload_steps(
            path, wanted, api.patience(), memory=memory, key=idempotency_key, told=told, in_pieces=in_pieces
        )
    )


def check(api: Api, contents: Iterable[tuple[str, int]]) -> Steps[list[Known]]:
    """Return, in their order, which contents (SHA-256 in hexadecimal, size in bytes) are files of one's own already."""
    found: list[Known] = []
    asked = list(contents)
    for start in range(0, len(asked), 1_000):
        items = [{"sha256": sha256, "size_bytes": size} for sha256, size in asked[start : start + 1_000]]
        answer = document_of((yield from ask(post("/files/check", {"items": items}), api.patience())))
        found += [read(Known, item) for item in _items(answer)]
    return found


def file(api: Api, file_id: Id) -> Steps[File]:
    """Return a file.

    Raises:
        NotFound, Gone: it is not there, or no more.

    """
    return (yield from fetch(File, get(f"/files/{path_id(file_id)}"), api.patience()))


def files(
    api: Api,
    *,
    category: str | None = None,
    labels: Labels | Iterable[str] | None = None,
    owner: str | None = None,
    state: str | None = None,
    job_id: Id | None = None,
    expires_before: datetime | None = None,
    limit: int | None = None,
) -> Emitting[File]:
    """Iterate over files, newest first; with `expires_before` what ends next comes first.

    `labels` is a mapping, or filters such as `camera`, `camera:north` and `!camera`.
    """
    return (
        yield from list_all(
            File,
            "/files",
            api.patience(),
            pairs(
                category=category,
                label=label_texts(labels),
                owner=owner,
                state=state,
                job_id=None if job_id is None else path_id(job_id),
                expires_before=expires_before,
            ),
            limit=limit,
        )
    )


def update_file(
    api: Api,
    file_id: Id,
    *,
    filename: str | None = None,
    ttl: timedelta | None = None,
    expires_at: datetime | None = _UNSET,
    labels: Mapping[str, str | None] | None = None,
) -> Steps[File]:
    """Rename a file, date it anew or label it, and return it; `expires_at=None` keeps it for good.

    Of `labels` only those that are named change; None takes one away.
    """
    said = {"filename": filename, "ttl_seconds": seconds_of(ttl), "labels": labels}
    change: dict[str, Any] = {name: value for name, value in said.items() if value is not None}
    if expires_at is not _UNSET:
        change["expires_at"] = None if expires_at is None else written(expires_at)
    request = post(f"/files/{path_id(file_id)}", change, method="PATCH")
    return (yield from fetch(File, request, api.patience(), is_safe=False))


def download(
    api: Api, file_id: Id, target: Path | str, *, overwrite: bool = False, told: Told | None = None
) -> Steps[Path]:
    """Store a file's bytes at `target`, or in that folder under a safe form of its name, and return where.

    They are proven by their digest before they get the name. What broke off goes on at the next call. A file that is
    there already is left as it is.

    Raises:
        TargetTaken: something else is there, and is not to be overwritten.
        ContentDiffers: the bytes are not those that the server has.
        Gone: it is not there any more.

    """
    return (yield from download_steps(path_id(file_id), Path(target), api.patience(), overwrite=overwrite, told=told))


def delete_file(
    api: Api, file_id: Id, *, reason: str | None = None, derived: str = "take", dry_run: bool = False
) -> Steps[FileRemoval | None]:
    """Delete a file with what was derived from it, and return what went along, None if nothing did.

    Raises:
        Conflict: it is held, or at work.
        Gone: it was deleted before.

    """
    query = pairs(reason=reason, derived=derived, dry_run=dry_run)
    removal = Request("DELETE", f"{API}/files/{path_id(file_id)}", query)
    patience, is_repeated = api.patience(), False
    while True:
        try:
            answer = yield from ask(removal, patience, is_safe=False)
        except Gone as error:
            if is_repeated and error.tombstone.deleted_at is not None:
                return None  # by the request whose answer was lost
            raise
        except (Unreachable, Problem) as error:
            if isinstance(error, Problem) and not passes(error):
                raise
            is_repeated = True
            yield from patience.pause(error)
        else:
            return read(FileRemoval, document_of(answer)) if answer.content else None


def delete_files(
    api: Api,
    *,
    category: str | None = None,
    labels: Labels | Iterable[str] | None = None,
    owner: str | None = None,
    job_id: Id | None = None,
    expires_before: datetime | None = None,
    reason: str | None = None,
    derived: str = "take",
    dry_run: bool = True,
    confirm: int | None = None,
) -> Steps[Removal]:
    """Count what a deletion of all files that a filter names would take; with `dry_run=False`, delete them.

    Where so many would go that the server wants the number named, `needs` of the count is it, and `confirm` names it.

    Raises:
        Conflict: it has to be named (`confirmation_needed`), or deletion is paused.

    """
    query: dict[str, Value | Sequence[str]] = {
        "category": category,
        "label": label_texts(labels),
        "owner": owner,
        "job_id": None if job_id is None else path_id(job_id),
        "expires_before": expires_before,
        "reason": reason,
        "derived": derived,
        "dry_run": dry_run,
        "confirm": confirm,
    }
    request = Request("DELETE", f"{API}/files", pairs(**query))
    return (yield from fetch(Removal, request, api.patience(), is_safe=dry_run))


def restore_file(api: Api, file_id: Id) -> Steps[File]:
    """Take a file out of the trash, and return it."""
    return (yield from fetch(File, post(f"/files/{path_id(file_id)}/restore"), api.patience(), is_safe=False))


def hold_file(api: Api, file_id: Id, reason: str, *, until: datetime | None = None) -> Steps[None]:
    """Keep a file, whatever its expiry says and whoever wants it deleted."""
    said = {"reason": reason, **({} if until is None else {"until": written(until)})}
    yield from ask(post(f"/files/{path_id(file_id)}/hold", said, method="PUT"), api.patience())


def release_file(api: Api, file_id: Id) -> Steps[None]:
    """Release a file from its hold."""
    yield from ask(Request("DELETE", f"{API}/files/{path_id(file_id)}/hold"), api.patience())


def request(
    api: Api,
    method: str,
    path: str,
    *,
    document: Mapping[str, Any] | None = None,
    query: Mapping[str, Value | Sequence[str]] | None = None,
) -> Steps[Any]:
    """Ask for whatever else the API has, by its path below `/api/v1`, and return the document, if there is one."""
    asked = post(path, document, method=method)
    told = Request(asked.method, asked.path, pairs(**(query or {})), asked.headers, asked.body)
    answer = yield from ask(told, api.patience(), is_safe=method in {"GET", "HEAD"})
    return document_of(answer) if answer.content else None


def _items(answer: Any) -> list[Any]:
    items = answer.get("items") if isinstance(answer, dict) else None
    if not isinstance(items, list):
        raise NotUnderstood("the server's answer is no list")
    return items
