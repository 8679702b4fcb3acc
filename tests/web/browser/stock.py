"""Something of every kind, so that every screen has something to show, and all of it named with markup."""

import io
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fastapi.routing import APIRoute
from PIL import Image

from media_analysis.jobs.attempts.attempt import NewResult
from media_analysis.runtime import Runtime
from media_analysis.web.pages import PageRoute
from media_analysis.web.screens import routers
from tests.api.archives import archived_run
from tests.api.jobs import create, fail, finish
from tests.conftest import Client, RunJob
from tests.web.showing import MARKUP

FILM = (Path(__file__).parents[3] / "examples/a-day-at-sea.mp4").read_bytes()
ELEMENT = "script-was-text-no-more"
NAMES = f"{MARKUP}\"'><{ELEMENT}></{ELEMENT}>"
"""Were it markup anywhere, as content or as an attribute, there would be an element of this name."""
LABELS = {"camera": "north <b>", "event": "\"'>"}


@dataclass(frozen=True)
class Stock:
    """What there is to look at, by the paths of the screens that show one thing."""

    shown: Mapping[str, str]

    def screens(self) -> list[str]:
        """Return the addresses of all screens; one that shows a thing and knows none fails here."""
        paths = [route.path for route in screens()]
        return [re.sub(r"{\w+}", self.shown[path], path) if "{" in path else path for path in paths]


def screens() -> list[APIRoute]:
    """Return the routes that show something."""
    routes = (route for router in routers() for route in router.routes)
    return [route for route in routes if isinstance(route, PageRoute) and route.methods == {"GET"}]


def picture(width: int = 320, height: int = 200) -> bytes:
    written = io.BytesIO()
    Image.radial_gradient("L").resize((width, height)).save(written, "PNG")
    return written.getvalue()


async def stocked(client: Client, runtime: Runtime, run_job: RunJob) -> Stock:
    """Store films and pictures, run jobs, archive one, hold, trash and delete some; return where things are."""
    film = await client.upload(FILM, filename=f"{NAMES}.mp4", label="camera:north <b>", ttl_seconds=7200)
    about: dict[str, Any] = {"name": NAMES, "source_file_ids": [film["id"]], "labels": LABELS}
    sheet = await create(client, kind="contact_sheet", **about)
    await run_job(sheet["id"])
    await create(client, **about)
    await fail(runtime, await create(client, **about))
    words = NewResult(kind="words", data={NAMES: [NAMES, 1, None]}, file_id=None)
    await finish(runtime, await create(client, **about), words)
    await _store_files(client)
    inside = {f"{NAMES.replace('/', '')}.png": picture(), "a.log": b"a line\n" * 99}
    run = await archived_run(client, runtime, contents=inside, name=NAMES)
    shown = {"/files/{file_id}": film["id"], "/jobs/{job_id}": sheet["id"], "/archives/{job_id}": str(run.id)}
    return Stock(shown | await _run_the_house(client))


async def _store_files(client: Client) -> None:
    still = await client.upload(picture(), filename=NAMES, category="outputs")
    await _ask(client, "PUT", f"/files/{still['id']}/hold", {"reason": NAMES})
    for strategy in ("soft", "hard"):
        gone = await client.upload(picture(), filename=NAMES)
        reason = {"strategy": strategy, "reason": NAMES}
        answer = await client.request("DELETE", f"/api/v1/files/{gone['id']}", by="admin", params=reason)
        assert answer.status_code == 204, answer.text


async def _run_the_house(client: Client) -> dict[str, str]:
    """Do what an administrator does: a webhook, a session, a plan, a sweep, a pause."""
    hook = await _ask(client, "POST", "/webhooks", {"url": "http://127.0.0.1:9/<b>", "events": ["job.*"]}, by="admin")
    await _ask(client, "POST", f"/webhooks/{hook['id']}/ping", by="admin")
    await _ask(client, "POST", "/sessions", {"owner": "carol", "ttl_seconds": 60}, by="admin")
    plan = await _ask(client, "POST", "/storage/plans", by="admin")
    sweep = await _ask(client, "POST", "/storage/cleanup", by="admin")
    await _ask(client, "POST", "/storage/pauses", {"reason": NAMES, "category": "frames"}, by="admin")
    return {
        "/webhooks/{webhook_id}": hook["id"],
        "/plans/{plan_id}": plan["id"],
        "/deletions/sweeps/{sweep_id}": sweep["id"],
    }


async def _ask(client: Client, method: str, path: str, document: Any = None, *, by: str = "alice") -> Any:
    answer = await client.request(method, f"/api/v1{path}", by=by, json=document)
    assert answer.is_success, (path, answer.text)
    return answer.json()
