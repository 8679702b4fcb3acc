"""What a service and its operators do over a bucket besides, act by act, as `acts` has those of its clients."""

import os
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from functools import partial
from http import HTTPMethod
from typing import Final
from uuid import uuid4

from media_analysis.cli.import_ import destination_of
from media_analysis.errors.kinds import Unavailable
from media_analysis.errors.moves import MoveRefused
from media_analysis.files.buckets import options_of
from media_analysis.imports.tree.buckets import open_tree
from media_analysis.imports.tree.service import TreeImportRequest
from media_analysis.integrity.verify import VerifyRequest, VerifyService
from media_analysis.moves.emptying import EmptyService
from media_analysis.moves.opened import MoveContext
from media_analysis.moves.service import MoveService
from media_analysis.moves.switching import SwitchService
from media_analysis.replication.loop import work
from media_analysis.runtime import open_services
from media_analysis.settings import load_settings
from media_analysis.storage.category import Category
from media_analysis.storage.remote.address import RemoteAddress
from media_analysis.storage.remote.bucket import Bucket
from media_analysis.storage.remote.names import piece_name
from media_analysis.storage.remote.store import RemoteStore
from tests.conftest import execute, fetch
from tests.replication.conftest import replication_of
from tests.s3 import options_for
from tests.storage.life import TRIES, Life, Playing

CONTENTS: Final = {"a.bin": b"small", "b.bin": b"", "c.bin": os.urandom(9 * 2**20)}
"""One of them is put in parts."""
UPLOADS: Final = {"uploads": ""}
HOURS: Final = timedelta(hours=2)
DAYS: Final = timedelta(days=40)
A_DAY: Final = timedelta(days=1, minutes=1)
IMPORTED: Final = "SELECT id::text, filename FROM media_files WHERE filename = ANY($1) AND state = 'stored'"
UNCOPIED: Final = """
    SELECT count(*) FROM media_files AS file LEFT JOIN replicas ON replicas.file_id = file.id
    WHERE file.state = 'stored' AND replicas.copied_at IS NULL
"""
DUE: Final = "UPDATE replicas SET due_at = now() WHERE due_at IS NOT NULL"


async def start(life: Life) -> Playing:
    runtime = life.runtime
    fresh = replace(life.bucket.address, prefix=uuid4().hex)

    async def open_again() -> None:
        async with open_services(runtime.settings, runtime.db, runtime.fork_server):
            pass

    async def adopt() -> None:
        store = RemoteStore.at(fresh, runtime.store.instance_id, options_of(runtime.settings, ""))
        try:
            await store.adopt(fresh_database=True)
        finally:
            store.close()

    async def play() -> None:
        await life.again(open_again)
        await life.again(adopt)
        await life.again(open_again)

    return play


async def look_after(life: Life) -> Playing:
    runtime, stray = life.runtime, f"clips/2026-01-01/{uuid4().hex}.bin"
    await life.bucket.create(stray, b"stray")
    request = VerifyRequest(actor="test", quarantine=True)
    await VerifyService(runtime.db, runtime.store).run(request, now=await runtime.db.now() + HOURS)
    ends_at = await runtime.db.now() + DAYS
    whole = await life.upload(b"whole")
    (row,) = await fetch(life.database, "SELECT key FROM media_files WHERE id = $1::uuid", whole)
    begun = await life.requests.send(HTTPMethod.POST, key=life.bucket.address.full_key(row["key"]), query=UPLOADS)
    assert begun.is_success
    await life.bucket.create(piece_name(row["key"], 0, 0), b"whole")

    async def play() -> None:
        await life.again(runtime.store.require_writable)
        await life.again(runtime.store.warnings)
        await life.again(lambda: runtime.records.leftovers.end(now=ends_at))
        while await life.set_aside(stray) is not None:
            await life.again(lambda: runtime.records.quarantine.end(now=ends_at))
            life.note_failures(["what did not go"])

    return play


async def import_tree(life: Life) -> Playing:
    runtime, tree = life.runtime, replace(life.bucket.address, prefix=uuid4().hex)
    names = {f"{uuid4().hex}-{name}": content for name, content in CONTENTS.items()}
    old = Bucket(tree, options_for())
    for name, content in names.items():
        await old.create(name, content)
    old.close()

    async def run() -> None:
        async with open_tree(tree, runtime.settings) as opened:
            asked = TreeImportRequest(directory=opened, category=Category.UPLOADS, owner="alice", actor="test")
            await destination_of(runtime).run(asked)

    async def play() -> None:
        found: dict[str, str] = {}
        while found.keys() != names.keys():
            await _persist(life, run)
            rows = await fetch(life.database, IMPORTED, list(names))
            found = {row["filename"]: row["id"] for row in rows}
            life.note_failures([] if len(found) == len(names) else ["what was not read"])
        assert len(rows) == len(names)
        for name, file_id in found.items():
            life.keep(file_id, names[name])

    return play


async def replicate(life: Life) -> Playing:
    services = replication_of(life.runtime)
    ids = [await life.upload(content) for content in CONTENTS.values()]
    primary = services.store.primary

    async def settle() -> None:
        while await work(services):
            pass

    async def copy_all() -> None:
        for _ in range(TRIES):
            await life.again(settle)
            (waiting,) = await fetch(life.database, UNCOPIED)
            if not waiting["count"]:
                return
            life.note_failures(["a replica waits"])
            await execute(life.database, DUE)
        raise AssertionError("files have no replica")

    async def heal(key: str) -> None:
        for _ in range(TRIES):
            await life.again(life.runtime.scrub.run)
            await life.again(settle)
            if (await life.again(partial(primary.look_up, [key])))[0] is not None:
                return
            life.note_failures(["what is not mended"])
            await execute(life.database, DUE)
        raise AssertionError("a file is not mended")

    async def play() -> None:
        await copy_all()
        (row,) = await fetch(life.database, "SELECT key FROM media_files WHERE id = $1::uuid", ids[0])
        await life.bucket.delete([row["key"]])
        await heal(row["key"])
        await life.send("DELETE", f"/api/v1/files/{ids[0]}", 200, 204, 410)

    return play


async def move(life: Life) -> Playing:
    """Move the store to another place and back, and empty that: the service is at the first one after."""
    here = life.bucket.address
    there = replace(here, prefix=uuid4().hex)
    runtime = life.runtime
    for content in CONTENTS.values():
        await life.upload(content)

    def at(place: RemoteAddress) -> MoveContext:
        settings = load_settings(environ={**life.environment, "STORAGE_URL": str(place)}).settings
        return MoveContext(runtime.db, settings, runtime.store.instance_id, "test")

    async def empty() -> None:
        emptying = EmptyService(at(here))
        left, _ = await emptying.find()
        report = await emptying.empty(left, now=await runtime.db.now() + A_DAY)
        if report.kept:
            raise MoveRefused("some stay")

    async def play() -> None:
        for source, target in ((here, there), (there, here)):
            await _persist(life, partial(MoveService(at(source)).copy, str(target), archives=False))
            await _persist(life, partial(_switch, at(source)))
        await life.proxy.land()
        await _persist(life, partial(_switch, at(there)))  # what closed it before may have come late
        await _persist(life, empty)

    return play


async def _switch(context: MoveContext) -> None:
    try:
        await SwitchService(context).switch()
    except MoveRefused:
        if (await MoveService(context).list())[0].switched_at is None:
            raise  # else all is done, and nobody heard of it


async def _persist(life: Life, work: Callable[[], Awaitable[object]]) -> None:
    """Do what an operator says again until it is done."""
    for _ in range(TRIES):
        try:
            await work()
        except (Unavailable, MoveRefused):
            life.note_failures(["a command"])
        else:
            return
    raise AssertionError("a command failed again and again")


DUTIES: Final = {act.__name__: act for act in (start, look_after, import_tree, replicate, move)}
