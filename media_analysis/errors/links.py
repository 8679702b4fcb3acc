"""Why a link leads nowhere."""

from typing import Literal

from media_analysis.errors.kinds import Conflict, Gone, NotFound

LinkEnd = Literal["expired", "revoked", "used", "file_gone"]


class LinkNotFound(NotFound):
    """There is no such link, or its signature is not that of the link."""

    code = "link_not_found"

    def __init__(self) -> None:
        super().__init__("no such link")


class LinkGone(Gone):
    """The link has expired, was revoked or used, or its file is gone."""

    code = "link_gone"

    def __init__(self, reason: LinkEnd) -> None:
        super().__init__("the link leads nowhere any more")
        self.reason = reason


class LinkInUse(Conflict):
    """Somebody is bringing the file that the link is for."""

    code = "link_in_use"

    def __init__(self, *, retry_after_seconds: int) -> None:
        super().__init__("somebody is bringing the file of this link; if they leave, it is free again")
        self.retry_after_seconds = retry_after_seconds
