"""What a bucket is set to do behind the store's back: keep what is deleted, or lock it, or delete by itself."""

from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPMethod, HTTPStatus
from xml.etree.ElementTree import Element

from media_analysis.storage.remote.address import Provider
from media_analysis.storage.remote.bucket import Bucket
from media_analysis.storage.remote.names import PROBE_NAME
from media_analysis.storage.remote.signing import S3Requests
from media_analysis.storage.remote.xml import child_text, parse


@dataclass(frozen=True, kw_only=True, slots=True)
class BucketRules:
    """What is known of a bucket's own rules; None is what nobody would say."""

    keeps_versions: bool | None = None
    """Whether a deletion leaves the bytes there, as a version that is not the newest; also while that is suspended."""
    locks_objects: bool | None = None
    """Whether objects may be kept from being deleted for a time."""
    deleting: Sequence[str] | None = None
    """The names of the rules by which it deletes objects that have a row."""

    def warnings(self, address: object) -> Sequence[str]:
        """Return what an operator should mend, each in a sentence."""
        told = []
        if self.keeps_versions:
            told.append(
                f"{address} keeps versions of what is deleted, so that the bytes stay there after a deletion; "
                "take a bucket that never had versioning, for suspended counts as well, or have a lifecycle rule "
                "delete old versions"
            )
        if self.locks_objects:
            told.append(f"{address} may lock objects: what is due cannot be deleted before its lock ends")
        if self.deleting:
            rules = ", ".join(self.deleting)
            told.append(f"{address} deletes objects by rules of its own ({rules}), and the service misses them then")
        facts = {"versions": self.keeps_versions, "locks": self.locks_objects, "rules that delete": self.deleting}
        if unknown := [what for what, known in facts.items() if known is None]:
            what = " or ".join(unknown)
            told.append(f"whether {address} has {what} is unknown: it does not say, or we may not ask")
        return told


async def examine(bucket: Bucket) -> BucketRules:
    """Return what a bucket's own rules are, as far as it tells.

    Raises:
        StoreUnavailable: it does not answer at all.

    """
    requests = bucket.requests
    if requests is None:
        return BucketRules(keeps_versions=await _returns_versions(bucket))
    return BucketRules(
        keeps_versions=await _keeps_versions(requests),
        locks_objects=await _locks_objects(requests),
        deleting=await _deleting(requests, bucket.address.prefix),
    )


async def _returns_versions(bucket: Bucket) -> bool | None:
    """Return whether a put tells a version; Google's always do, as a generation, whether or not older ones are kept."""
    if bucket.address.provider is Provider.GOOGLE:
        return None
    version = await bucket.overwrite(PROBE_NAME, b"")
    await bucket.delete([PROBE_NAME])
    return version is not None


async def _keeps_versions(requests: S3Requests) -> bool | None:
    found = await _ask(requests, "versioning")
    return None if found is None else child_text(found, "Status") in {"Enabled", "Suspended"}


async def _locks_objects(requests: S3Requests) -> bool | None:
    found = await _ask(requests, "object-lock")
    return None if found is None else child_text(found, "ObjectLockEnabled") == "Enabled"


async def _deleting(requests: S3Requests, prefix: str) -> Sequence[str] | None:
    found = await _ask(requests, "lifecycle")
    if found is None:
        return None
    rules = [rule for rule in found if rule.tag == "Rule" and child_text(rule, "Status") == "Enabled"]
    return [
        child_text(rule, "ID") or "unnamed"
        for rule in rules
        if _expires(rule) and _concerns(rule, f"{prefix}/" if prefix else "")
    ]


def _expires(rule: Element) -> bool:
    """Say whether a rule deletes objects by their age or on a day; it may end what stays of deleted ones alone."""
    return any(rule.find(f"Expiration/{when}") is not None for when in ("Days", "Date"))


def _concerns(rule: Element, ours: str) -> bool:
    theirs = next((found.text or "" for found in rule.iter("Prefix")), "")
    return theirs.startswith(ours) or ours.startswith(theirs)


async def _ask(requests: S3Requests, what: str) -> Element | None:
    """Return what the bucket says, an empty element where nothing is set, None where it does not tell us."""
    answer = await requests.ask(HTTPMethod.GET, query={what: ""})
    if answer.status_code == HTTPStatus.NOT_FOUND and "NoSuchBucket" not in answer.text:
        return Element(what)
    return parse(answer.content) if answer.status_code == HTTPStatus.OK else None
