"""Where files are dropped, and what of them is under way."""

from typing import Final

from fastapi import Request
from fastapi.responses import HTMLResponse

from media_analysis.api.dependencies import Caller, Serving
from media_analysis.storage.category import Category
from media_analysis.web.pages import page_router, show

MOST_SHOWN: Final = 50
router = page_router("uploads")


@router.get("/upload")
async def show_upload(request: Request, services: Serving, caller: Caller) -> HTMLResponse:
    """Show where to drop files, and which of the caller's uploads wait for the rest of their bytes."""
    page = await services.files.resumable.list(owner=caller.owner, before=None, limit=MOST_SHOWN)
    stats = await services.retention.status.stats(owner=caller.scope)
    rules = {} if stats.policy is None else stats.policy.rules
    return show(
        request,
        "upload/page.html",
        uploads=[known for known in page.uploads if not known.is_stored and not known.is_gone],
        categories=[one for one in Category if one is not Category.ARCHIVES],
        lifetimes={category: known.lifetime for category, known in rules.items()},
    )
