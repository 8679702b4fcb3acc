"""The picture a film shows at an instant, over HTTP."""

import asyncio
from pathlib import Path

import httpx
import pytest

from media_analysis.runtime import Runtime
from tests.api.answers import problem_in, refusal
from tests.api.filming import kept, opened, picture, upload
from tests.conftest import Client, execute
from tests.media import clips, images
from tests.media.pictures import read_number

WIDE = {"width": 192}


@pytest.fixture
async def film(client: Client) -> str:
    """Fifty frames in two seconds, a keyframe every twelve."""
    return await upload(client, clips.h264())


async def frame(client: Client, file_id: str, t: object, **about: object) -> httpx.Response:
    return await picture(client, file_id, "frame", t=t, **(WIDE | about))  # type: ignore[arg-type]


async def test_frames_are_those_shown_then_and_made_once_however_many_ask(
    client: Client, film: str, runtime: Runtime, database: str
) -> None:
    first, *others = await asyncio.gather(*(frame(client, film, 1.3) for _ in range(6)))
    keyframe = await frame(client, film, 1.3, exact=False)
    last = await frame(client, film, 2)
    rows = await kept(runtime, database)
    again = await frame(client, film, 1.3)

    assert [read_number(opened(each)) for each in (first, keyframe, last)] == [32, 24, 49]
    assert {each.content for each in (*others, again)} == {first.content}
    assert len(rows) == 3


async def test_a_frame_is_kept_by_browsers_and_known_by_its_tag(client: Client, film: str) -> None:
    whole = await frame(client, film, 0.5)
    tag = whole.headers["etag"]

    known = await frame(client, film, 0.5, headers={"If-None-Match": tag})
    other = await frame(client, film, 0.54, headers={"If-None-Match": tag})
    unmet = await frame(client, film, 0.5, headers={"If-Match": '"another"'})
    head = await client.request("HEAD", f"/api/v1/files/{film}/frame", params={"t": 0.5, **WIDE})

    assert whole.headers["cache-control"] == "private, max-age=86400, immutable"
    assert whole.headers["x-content-type-options"] == "nosniff"
    assert whole.headers["content-disposition"].startswith("inline;")
    assert (known.status_code, known.content, known.headers["etag"]) == (304, b"", tag)
    assert (other.status_code, refusal(unmet)) == (200, (412, "precondition_failed"))
    assert (head.status_code, head.content, head.headers["etag"]) == (200, b"", tag)


async def test_instants_that_are_none_and_widths_out_of_bounds_are_refused(client: Client, film: str) -> None:
    for t in ("nan", "inf", "-inf", "-1", "1e300", ""):
        assert refusal(await frame(client, film, t)) == (422, "invalid_request"), t
    for width in (15, 3841, "1e2"):
        assert refusal(await frame(client, film, 0, width=width)) == (422, "invalid_request"), width

    past = await frame(client, film, 2.5)
    still = await frame(client, await upload(client, images.png()), 0.1)

    assert (refusal(past), problem_in(past)["end_seconds"]) == ((422, "instant_past_end"), 2.0)
    assert (refusal(still), problem_in(still)["end_seconds"]) == ((422, "instant_past_end"), 0)


@pytest.mark.parametrize(
    ("path", "code"),
    [
        (clips.audio("mp3"), (422, "no_pictures")),
        (clips.index_missing(), (422, "corrupt_media")),
        (images.heic(), (415, "unsupported_media")),
        (Path(__file__), (415, "unsupported_media")),
    ],
    ids=lambda value: value.name if isinstance(value, Path) else None,
)
async def test_what_shows_nothing_is_refused_as_a_job_would(client: Client, path: Path, code: tuple[int, str]) -> None:
    file_id = await upload(client, path)

    assert refusal(await frame(client, file_id, 0)) == code
    assert refusal(await frame(client, file_id, 0)) == code
    assert refusal(await picture(client, file_id, "thumbnail")) == code


async def test_frames_of_what_may_not_be_read_are_refused_as_its_content_is(
    client: Client, film: str, database: str
) -> None:
    unknown = "01a22a91-0000-7000-8000-000000000000"
    foreign = [await picture(client, each, "frame", by="bob", t=0) for each in (film, unknown)]
    by_admin = await picture(client, film, "frame", by="admin", t=0)
    await execute(database, f"UPDATE media_files SET expires_at = now(), due_at = now() WHERE id = '{film}'")
    expired = await frame(client, film, 0)

    assert {(refusal(each), each.text.replace(film, "").replace(unknown, "")) for each in foreign} == {
        ((404, "file_not_found"), foreign[0].text.replace(film, ""))
    }
    assert by_admin.status_code == 200
    assert refusal(expired) == (410, "file_gone")
