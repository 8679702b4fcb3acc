"""All screens."""

from collections.abc import Sequence

from fastapi import APIRouter

from media_analysis.web import assets
from media_analysis.web.archives import page as archives
from media_analysis.web.audit import page as audit
from media_analysis.web.deletions import page as deletions
from media_analysis.web.entry import signing_in
from media_analysis.web.file import page as file
from media_analysis.web.files import page as files
from media_analysis.web.jobs import job
from media_analysis.web.jobs import page as jobs
from media_analysis.web.overview import page as overview
from media_analysis.web.plans import page as plans
from media_analysis.web.policy import page as policy
from media_analysis.web.sessions import page as sessions
from media_analysis.web.settings import page as settings
from media_analysis.web.trash import page as trash
from media_analysis.web.upload import page as upload
from media_analysis.web.webhooks import page as webhooks


def routers() -> Sequence[APIRouter]:
    """Return the routes of the page."""
    return (
        assets.router,
        signing_in.router,
        overview.router,
        files.router,
        file.router,
        upload.router,
        jobs.router,
        job.router,
        archives.router,
        trash.router,
        deletions.router,
        deletions.sweeps_router,
        audit.router,
        policy.router,
        plans.router,
        sessions.router,
        webhooks.router,
        settings.router,
    )
