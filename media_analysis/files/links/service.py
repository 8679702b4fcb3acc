"""Links: made by whoever may do it themselves, looked at anew with every request, and dead the moment their file is."""

from collections.abc import Collection, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple
from uuid import UUID

import orjson
from sqlalchemy.ext.asyncio import AsyncSession
from uuid_utils.compat import uuid7

from media_analysis.audit import Act, Action, add_events
from media_analysis.db.database import Database, retried
from media_analysis.errors import (
    FileArchived,
    FileGone,
    FileNotFound,
    FileNotReady,
    InvalidRequest,
    LinkGone,
    LinkNotFound,
    ScopeMissing,
    TokenRejected,
    TooManyAtOnce,
)
from media_analysis.files.links import statements
from media_analysis.files.links.models import Link, LinkDisposition, LinkKey, LinkKind
from media_analysis.files.links.signing import Reference, new_secret, sign
from media_analysis.files.models import MediaFile
from media_analysis.files.resumable.known import upload_of, wish_of
from media_analysis.files.service import FileService
from media_analysis.files.upload.bodies import Body
from media_analysis.files.upload.service import Upload, UploadService
from media_analysis.sessions.limits import Limit
from media_analysis.sessions.roles import Scope
from media_analysis.sessions.service import Caller
from media_analysis.settings.links import LinkSettings
from media_analysis.states import FileState
from media_analysis.storage.store import ObjectReader

USUAL: Final = timedelta(hours=1)
"""How long a link is good that nobody said more of."""


class MadeLink(NamedTuple):
    """A new link, and what proves it: told once."""

    link: Link
    reference: Reference
    filename: str


class KnownLink(NamedTuple):
    """A link that is good now."""

    id: UUID
    kind: LinkKind
    owner: str
    file_id: UUID | None
    disposition: LinkDisposition
    expires_at: datetime
    wish: dict[str, Any] | None
    max_bytes: int
    limit: Limit | None
    """What the session that made it is limited to."""


@dataclass(frozen=True)
class LinkPage:
    """Some links, newest first, and where the next page begins."""

    links: Sequence[Link]
    next_before: UUID | None


@dataclass(frozen=True)
class LinkService:
    """Makes links, lets in whoever has one, lists and revokes them, and changes what signs them."""

    db: Database
    catalog: FileService
    uploads: UploadService
    settings: LinkSettings

    async def share(
        self,
        file_id: UUID,
        *,
        by: Caller,
        lifetime: timedelta | None,
        disposition: LinkDisposition = LinkDisposition.ATTACHMENT,
    ) -> MadeLink:
        """Return a link by which anybody reads a file's bytes.

        Raises:
            FileNotFound, FileGone, FileArchived, FileNotReady: there is nothing to read.
            InvalidRequest, TooManyAtOnce: it would be good for too long, a browser would show what it could run,
                or there are too many.

        """
        file = await self.catalog.get(file_id, owner=by.scope)
        if file.state is not FileState.STORED:
            raise FileNotReady(file_id)
        if disposition is LinkDisposition.INLINE and not is_shown(file.media_type):
            raise InvalidRequest("disposition", f"browsers show pictures, films and sound, not {file.media_type}")
        link = Link(kind=LinkKind.DOWNLOAD, owner=file.owner, file_id=file.id, disposition=disposition)
        return await self._add(link, file.filename, by=by, lifetime=lifetime)

    async def invite(self, upload: Upload, *, max_bytes: int, by: Caller, lifetime: timedelta | None) -> MadeLink:
        """Return a link by which anybody brings one file, which is its maker's.

        Raises:
            InvalidRequest, TooManyAtOnce: as above.

        """
        link = Link(kind=LinkKind.UPLOAD, owner=by.owner, wish=wish_of(upload), max_bytes=max_bytes)
        return await self._add(link, upload.filename, by=by, lifetime=lifetime)

    async def find(self, reference: str) -> KnownLink:
        """Return the link that a part of a path names, if it is good.

        Raises:
            LinkNotFound: there is none, or it has another signature.
            LinkGone: it has expired, was revoked or used.

        """
        asked = Reference.parse(reference)
        if asked is None:
            raise LinkNotFound
        row = await self.db.retry(lambda: statements.get_known(self.db.driver.reads, asked.link_id))
        if not asked.is_signed(None if row is None else row["secret"]):
            raise LinkNotFound
        for reason, is_so in (("revoked", row["is_revoked"]), ("used", row["is_used"]), ("expired", row["is_over"])):
            if is_so:
                raise LinkGone(reason)  # type: ignore[arg-type] # one of them
        return KnownLink(
            id=row["id"],
            kind=LinkKind(row["kind"]),
            owner=row["owner"],
            file_id=row["file_id"],
            disposition=LinkDisposition(row["disposition"] or LinkDisposition.ATTACHMENT),
            expires_at=row["expires_at"],
            wish=None if row["wish"] is None else orjson.loads(row["wish"]),
            max_bytes=row["max_bytes"] or 0,
            limit=Limit.of(row["categories"], row["labels"]),
        )

    async def open(self, link: KnownLink) -> tuple[MediaFile, ObjectReader]:
        """Return the file of a link and its opened bytes.

        Raises:
            LinkGone: the file is gone, wherever to, or out of reach of the session that made the link.
            ObjectMissing, ObjectDamaged: as the names say.

        """
        if link.kind is not LinkKind.DOWNLOAD or link.file_id is None:
            raise LinkNotFound
        try:
            file, reader = await self.catalog.open(link.file_id, owner=link.owner)
        except (FileNotFound, FileGone, FileArchived, FileNotReady) as error:
            raise LinkGone("file_gone") from error
        if link.limit is not None and not link.limit.admits(file.category, file.labels):
            await reader.close()
            raise LinkGone("file_gone")
        return file, reader

    async def receive(
        self, link: KnownLink, body: Body, *, filename: str, declared_type: str | None, declared_bytes: int | None
    ) -> MediaFile:
        """Store the file that somebody brings, once; it is called `filename` unless the maker of the link said.

        Raises:
            LinkInUse, LinkGone: somebody else is bringing it, or has brought it.
            UploadTooLarge, MediaTypeNotAccepted, QuotaReached, …: as `UploadService.store_file`.

        """
        if link.kind is not LinkKind.UPLOAD or link.wish is None:
            raise LinkNotFound
        upload = upload_of(link.owner, {**link.wish, "declared_type": declared_type}, declared_bytes)
        upload = replace(upload, filename=upload.filename or filename, link_id=link.id)
        most = min(link.max_bytes, self.uploads.limits.max_bytes)
        uploads = replace(self.uploads, limits=replace(self.uploads.limits, max_bytes=most))
        return await uploads.store_file(upload, body)

    async def find_good(self, ids: Collection[UUID]) -> AbstractSet[UUID]:
        """Return those of `ids` whose links were not revoked."""
        async with self.db.read_only() as session:
            return await statements.get_good_ids(session, ids)

    async def get(self, link_id: UUID, *, owner: str | None) -> Link:
        """Return one link.

        Raises:
            LinkNotFound: unknown, or somebody else's.

        """
        async with self.db.read_only() as session:
            found = await statements.get_link(session, link_id, owner=owner)
        if found is None:
            raise LinkNotFound
        return found

    async def list(self, *, owner: str | None, file_id: UUID | None, before: UUID | None, limit: int) -> LinkPage:
        """Return one page of links, newest first, ended ones included."""
        async with self.db.read_only() as session:
            found = await statements.list_links(session, owner=owner, file_id=file_id, before=before, limit=limit + 1)
        return LinkPage(found[:limit], found[limit - 1].id if len(found) > limit else None)

    @retried
    async def revoke(self, link_id: UUID, *, by: Caller) -> None:
        """End a link at once; ending it again changes nothing.

        Raises:
            LinkNotFound: unknown, or somebody else's.
            ScopeMissing: it is for uploads, which the session may not do.

        """
        async with self.db.transaction() as session:
            found = await statements.mark_revoked(session, link_id, owner=by.scope)
            if found is None:
                raise LinkNotFound
            link, is_news = found
            if link.kind is LinkKind.UPLOAD and not by.may(Scope.FILES_WRITE):
                raise ScopeMissing(Scope.FILES_WRITE)
            if is_news:
                await add_events(session, [_told(link, Action.LINK_REVOKED, by.owner)])

    @retried
    async def rotate(self, *, by: Caller, ends_links: bool) -> LinkKey:
        """Return a new key that signs links from now on; with `ends_links` those of all others are good no more."""
        key = LinkKey(id=uuid7(), secret=new_secret())
        async with self.db.transaction() as session:
            session.add(key)
            await session.flush()
            ended = await statements.end_keys(session, but=key.id) if ends_links else 0
            rotated = Act(actor=by.owner, action=Action.LINK_KEY_ROTATED, details={"ended_keys": ended})
            await add_events(session, [rotated])
            await session.refresh(key)
        return key

    async def list_keys(self) -> Sequence[Any]:
        """Return id, beginning and end of every key, newest first; never what it signs with."""
        async with self.db.read_only() as session:
            return await statements.list_keys(session)

    async def _add(self, link: Link, filename: str, *, by: Caller, lifetime: timedelta | None) -> MadeLink:
        longest = self.settings.longest
        if lifetime is not None and lifetime > longest:
            raise InvalidRequest("expires_in", f"a link is good for {longest.total_seconds():.0f} s at most")
        facts = {name: getattr(link, name) for name in ("kind", "owner", "file_id", "disposition", "wish", "max_bytes")}
        facts |= {"id": uuid7(), "session_id": by.session_id, "created_by": by.owner}
        return await self._insert(facts, filename, by=by, lifetime=lifetime)

    @retried
    async def _insert(
        self, facts: Mapping[str, Any], filename: str, *, by: Caller, lifetime: timedelta | None
    ) -> MadeLink:
        most = self.settings.max_per_owner
        async with self.db.transaction() as session:
            maker = await statements.get_maker(session, by.session_id, owner=facts["owner"], most=most)
            if maker is None:
                raise TokenRejected
            if maker.living >= most:
                raise TooManyAtOnce("links", limit=most)
            ends_at = maker.at + (lifetime or min(USUAL, self.settings.longest))
            if lifetime is not None and ends_at > maker.expires_at:
                raise InvalidRequest("expires_in", "a link ends with the session that makes it, which ends before that")
            key = await self._signing_key(session)
            link = Link(**facts, key_id=key.id, expires_at=min(ends_at, maker.expires_at))
            session.add(link)
            await session.flush()
            await session.refresh(link)
            await add_events(session, [_told(link, Action.LINKED, by.owner)])
            return MadeLink(link, Reference(link.id, sign(key.secret, link.id)), filename)

    async def _signing_key(self, session: AsyncSession) -> LinkKey:
        """Return the key that signs new links, a new one where the last is too old."""
        key = await statements.get_signing_key(session, lifetime=self.settings.key_lifetime)
        if key is None:
            key = LinkKey(id=uuid7(), secret=new_secret())
            session.add(key)
            await session.flush()
        return key


def is_shown(media_type: str) -> bool:
    """Say whether a browser may show it: pictures, films and sound, but no SVG, which is a document with script."""
    return media_type.startswith(("image/", "video/", "audio/")) and "xml" not in media_type


def _told(link: Link, action: Action, actor: str) -> Act:
    details = {"link_id": str(link.id), "kind": link.kind.value, "expires_at": link.expires_at.isoformat()}
    return Act(actor=actor, action=action, owner=link.owner, file_id=link.file_id, details=details)
