"""A service over a bucket, beside obstore's own requests to the same server, and beside a disk where it analyses."""

import argparse
import asyncio
import os
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, Final
from uuid import UUID, uuid4

import obstore
from obstore.store import HTTPStore

from media_analysis.client import AsyncClient
from media_analysis.storage.remote.address import RemoteAddress
from media_analysis.storage.remote.clients import Client, RemoteOptions, open_client
from media_analysis.storage.remote.credentials import credentials
from media_analysis.storage.remote.signing import S3Requests
from scripts.benchmarks.analyze import EVERY_SECOND, make_video, run_job, upload
from scripts.benchmarks.load import load_times
from scripts.benchmarks.serving import Service, serving
from scripts.benchmarks.stage import Stage, add_rows, new_keys, open_stage, settle, timed
from scripts.benchmarks.sweep import sweep

OWNER: Final = "bench"
GATEWAY: Final[Mapping[str, str]] = {
    "AWS_ENDPOINT_URL": "http://127.0.0.1:7480",
    "AWS_ACCESS_KEY_ID": "MEDIAACCESSKEY01",
    "AWS_SECRET_ACCESS_KEY": "mediasecret0123456789mediasecret",
    "AWS_REGION": "us-east-1",
    "AWS_ALLOW_HTTP": "true",
}
"""What `scripts/s3` starts; the environment names another one."""
CALLERS: Final = 8
UPLOAD_BYTES: Final = 2**20
PUTS_AT_ONCE: Final = 64
BATCH: Final = 1_000
FILM_SECONDS: Final = 60


@dataclass(frozen=True)
class Size:
    """How much is done in each round."""

    rounds: int
    uploads: int
    objects: int
    download_bytes: int


def add_options(parser: argparse.ArgumentParser) -> None:
    """Let the command line say so."""
    parser.add_argument("--uploads", type=int, default=400, help="of 1 MiB, by 8 callers")
    parser.add_argument("--objects", type=int, default=20_000, help="how many are deleted")
    parser.add_argument("--bytes", type=int, default=256 * 2**20, help="of the object that is downloaded")


@dataclass(frozen=True)
class Bench:
    """A stage whose store lies in a bucket, and a client of the same bucket beside it."""

    stage: Stage
    address: RemoteAddress
    peer: Client

    async def uploads(self, service: Service, size: Size) -> dict[str, float]:
        """Store 1 MiB again and again, 8 at once, in turn with obstore's puts of the same."""
        seconds: dict[str, list[float]] = {"service": [], "obstore": []}
        content = os.urandom(UPLOAD_BYTES)
        asked = service.request("POST", "/files?category=temp&filename=a", body=content)

        async def put(_: int) -> None:
            await obstore.put_async(self.peer, f"peer/{uuid4().hex}", content, use_multipart=False)

        for _ in range(size.rounds):
            loading = partial(load_times, service.port, asked, callers=CALLERS, times=size.uploads)
            seconds["service"].append(await timed(loading))
            seconds["obstore"].append(await timed(lambda: by_callers(put, size.uploads)))
        medians = {name: statistics.median(taken) for name, taken in seconds.items()}
        return {
            "per_second": size.uploads / medians["service"],
            "peer_per_second": size.uploads / medians["obstore"],
            "rate_ratio_to_obstore": medians["obstore"] / medians["service"],
        }

    async def download(self, service: Service, size: Size) -> dict[str, float]:
        """Read one large file, in turn with obstore reading its object; and what the service grew by meanwhile.

        Both are read by obstore's client, which costs less than one of Python: with what is measured it shares cores.
        """
        before = service.resident_bytes
        file_id = await service.store(os.urandom(size.download_bytes))
        grown = service.resident_bytes - before
        row = await self.stage.runtime.files.catalog.get(UUID(file_id), owner=None)
        here = HTTPStore(
            f"{service.url}/api/v1/files/{file_id}",
            client_options={"allow_http": True, "default_headers": {"Authorization": f"Bearer {service.token}"}},
        )
        seconds: dict[str, list[float]] = {"service": [], "obstore": []}
        for _ in range(size.rounds):
            seconds["service"].append(await timed(lambda: _read(here, "content", size.download_bytes)))
            seconds["obstore"].append(await timed(lambda: _read(self.peer, row.key, size.download_bytes)))
        medians = {name: statistics.median(taken) for name, taken in seconds.items()}
        return {
            "megabytes_per_second": size.download_bytes / 1e6 / medians["service"],
            "peer_megabytes_per_second": size.download_bytes / 1e6 / medians["obstore"],
            "rate_ratio_to_obstore": medians["obstore"] / medians["service"],
            "grown_mebibytes_by_upload": grown / 2**20,
            "grown_mebibytes": (service.resident_bytes - before) / 2**20,
        }

    async def by_our_client(self, service: Service, size: Size) -> dict[str, float]:
        """Download one large file by our client, hashed and synced; by a redirect, its bucket sends it."""
        file_id = await service.store(os.urandom(size.download_bytes))
        seconds: list[float] = []
        with tempfile.TemporaryDirectory() as folder:
            async with AsyncClient(service.url, service.token) as client:
                for number in range(size.rounds):
                    target = Path(folder) / str(number)
                    seconds.append(await timed(partial(client.download, file_id, target)))
                    target.unlink()
        return {"megabytes_per_second": size.download_bytes / 1e6 / statistics.median(seconds)}

    async def analysis(self, disk: Stage, rounds: int) -> dict[str, float]:
        """Analyse a minute of film in the bucket, in turn with the same on a disk, and with fetching the film alone."""
        film = self.stage.directory / "video.mp4"
        await asyncio.to_thread(make_video, film, FILM_SECONDS)
        stages = {"bucket": self.stage, "disk": disk}
        sources = {name: await upload(stage, film) for name, stage in stages.items()}
        key = (await self.stage.runtime.files.catalog.get(sources["bucket"], owner=None)).key
        seconds: dict[str, list[float]] = {"bucket": [], "disk": [], "fetching": []}
        for _ in range(rounds):
            for name, stage in stages.items():
                await settle(stage.url)
                work = partial(run_job, stage, sources[name], "analyze", EVERY_SECOND)
                seconds[name].append(await timed(work))
            seconds["fetching"].append(await timed(lambda: _fetch(self.peer, key, film.with_suffix(".copy"))))
        medians = {name: statistics.median(taken) for name, taken in seconds.items()}
        return {
            **{f"{name}_seconds": taken for name, taken in medians.items()},
            "ratio_to_disk_without_fetching": (medians["bucket"] - medians["fetching"]) / medians["disk"],
        }

    async def deletion(self, size: Size) -> dict[str, float]:
        """Sweep objects that are all due, in turn with obstore's bulk deletion of as many."""
        seconds: dict[str, list[float]] = {"service": [], "obstore": []}
        for _ in range(size.rounds):
            made = new_keys(size.objects)
            await self._put_all([key for _, key in made])
            await add_rows(self.stage.url, made, due_from=datetime.now(UTC) - timedelta(days=2))
            await settle(self.stage.url)
            seconds["service"].append(await timed(lambda: sweep(self.stage, size.objects)))
            keys = [f"peer/{key}" for _, key in made]
            await self._put_all(keys)
            seconds["obstore"].append(await timed(partial(self._delete_all, keys)))
        medians = {name: statistics.median(taken) for name, taken in seconds.items()}
        return {
            "objects": size.objects,
            "per_second": size.objects / medians["service"],
            "rate_ratio_to_obstore": medians["obstore"] / medians["service"],
        }

    async def _put_all(self, keys: list[str]) -> None:
        turns = asyncio.Semaphore(PUTS_AT_ONCE)

        async def put(key: str) -> None:
            async with turns:
                await obstore.put_async(self.peer, key, b"x" * 4096, use_multipart=False)

        await asyncio.gather(*(put(key) for key in keys))

    async def _delete_all(self, keys: list[str]) -> None:
        for start in range(0, len(keys), BATCH):
            await obstore.delete_async(self.peer, keys[start : start + BATCH])


async def run(options: argparse.Namespace, directory: Path) -> dict[str, Any]:
    """Measure all three over a store of their own."""
    size = Size(options.rounds, options.uploads, options.objects, options.bytes)
    address = await new_address()
    print(f"a service over {address}, beside obstore")
    async with open_stage(directory / "a", STORAGE_URL=str(address)) as stage:
        return await measure(Bench(stage, address, open_client(address, _options(), timeout_seconds=300)), size)


async def measure(bench: Bench, size: Size) -> dict[str, Any]:
    """Measure uploads and a download over HTTP, and the sweep in process."""
    begun = time.monotonic()
    async with serving(bench.stage, OWNER, STORAGE_URL=str(bench.address)) as service:
        found: dict[str, Any] = {
            "uploads": await bench.uploads(service, size),
            "download": await bench.download(service, size),
            "download_by_our_client": await bench.by_our_client(service, size),
        }
    async with serving(bench.stage, OWNER, STORAGE_URL=str(bench.address), STORAGE_DOWNLOADS="redirect") as service:
        found["redirected_by_our_client"] = await bench.by_our_client(service, size)
    async with open_stage(bench.stage.directory.parent / "disk") as disk:
        found["analysis"] = await bench.analysis(disk, size.rounds)
    found["deletion"] = await bench.deletion(size)
    return {**found, "seconds": time.monotonic() - begun}


async def new_address() -> RemoteAddress:
    """Return the address of a store of this run, and make its bucket where it is not there yet."""
    for name, value in GATEWAY.items():
        os.environ.setdefault(name, value)
    address = RemoteAddress.parse(os.environ.get("STORAGE_URL") or f"s3://media-analysis-bench/{uuid4().hex}")
    requests = S3Requests.to(RemoteAddress(address.provider, address.bucket), _options())
    if requests is not None:
        with suppress(Exception):  # it is there, or what follows says why it is not
            await requests.send("PUT")
    return address


def _options() -> RemoteOptions:
    return RemoteOptions(credentials=credentials(os.environ))


async def _fetch(store: Client, key: str, target: Path) -> None:
    found = await obstore.get_async(store, key)
    with target.open("wb") as file:
        async for chunk in found.stream(min_chunk_size=2**20):
            file.write(chunk)


async def _read(store: Client | HTTPStore, key: str, size_bytes: int) -> None:
    found = await obstore.get_async(store, key)
    assert size_bytes == sum([len(chunk) async for chunk in found.stream(min_chunk_size=2**20)])


async def by_callers(work: Callable[[int], Awaitable[None]], times: int, callers: int = CALLERS) -> None:
    """Do something so many times, by so many at once."""
    numbers = iter(range(times))

    async def caller() -> None:
        for number in numbers:
            await work(number)

    await asyncio.gather(*(caller() for _ in range(callers)))
