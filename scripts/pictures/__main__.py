"""Let the demonstration run, store more of its film, and take pictures of the page that shows all of it."""

import io
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Final

from PIL import Image
from playwright.sync_api import Page, sync_playwright

from media_analysis.client import Client

IMAGES: Final = Path(__file__).parents[2] / "docs" / "images"
SIZE: Final = {"width": 1280, "height": 1080}
CAMERAS: Final = ("north", "south", "harbour")
READY: Final = re.compile(r"ready at (http://\S+)")
PROGRAM: Final = str(Path(sys.executable).with_name("media-analysis"))
QUALITY: Final = 82


@contextmanager
def served(directory: Path) -> Iterator[str]:
    """Serve what the demonstration left in a directory, on a free port; yield where."""
    command = [PROGRAM, "serve", "--port", "0", "--data-dir", str(directory / "var")]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as service:
        assert service.stderr is not None
        try:
            yield next(found[1] for line in service.stderr if (found := READY.search(line)))
        finally:
            service.terminate()


def furnish(address: str, token: str, film: Path) -> str:
    """Store the film as several cameras would, and have one of them previewed; return its id."""
    with Client(address, token) as client:
        stored = [
            client.upload(film, filename=f"{camera} {hour:02}.00.mp4", labels={"camera": camera}, ttl=ttl)
            for hour, ttl in ((6, timedelta(hours=5)), (12, timedelta(hours=30)), (18, timedelta(days=6)))
            for camera in CAMERAS
        ]
        shown = str(stored[-1].id)
        for kind in ("preview", "probe", "frames"):
            job = client.create_job(kind, source_file_ids=[shown], name=f"{kind} of the harbour")
            client.wait_for_job(job.id)
        client.hold_file(shown, reason="Wanted by the harbour office")
    return shown


def save(page: Page, name: str) -> None:
    """Write what the page shows into the folder of the manual's images."""
    page.wait_for_load_state("networkidle")
    picture = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
    picture.save(IMAGES / f"{name}.webp", quality=QUALITY, method=6)


def main() -> None:
    """Take both pictures."""
    with tempfile.TemporaryDirectory(prefix="media-analysis-pictures-") as made:
        directory = Path(made)
        directory.chmod(0o755)
        kept = directory / "demo"
        subprocess.run([PROGRAM, "demo", "--keep", str(kept)], check=True, stdout=subprocess.DEVNULL)
        token = (kept / "var" / "admin-token").read_text().strip()
        film = next(kept.glob("*.mp4"))
        with served(kept) as address, sync_playwright() as playwright:
            shown = furnish(address, token, film)
            chromium = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
            page = chromium.new_page(viewport=SIZE, color_scheme="light")
            page.goto(address)
            page.fill("#token", token)
            page.click("button.primary")
            save(page, "overview")
            page.goto(f"{address}/files/{shown}")
            page.wait_for_function("document.querySelector('video').readyState > 3")
            save(page, "file")
            chromium.close()


main()
