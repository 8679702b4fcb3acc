"""A soak: many clients, some with runs, two owners short of room, two sweepers and pauses, under kills at random.

Service and PostgreSQL are killed with -9. `scripts/soak [--seconds 90] [--seed 1]` ends with what the oracle and
`verify --hash` say; any violation is exit code 1.
"""

import argparse
import asyncio
import hashlib
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from media_analysis.db.embedded import embedded_server
from tests.conftest import fetch
from tests.oracle import inspect_everything
from tests.soak_link import soak_link
from tests.soak_owners import CATEGORY, QUOTA_BYTES, Owners, Pauser
from tests.soak_runs import SIZES, RunUser

CLIENTS = 12
RUN_USERS = 3
CATEGORIES = ("uploads", "temp", "clips", "frames")
LEASE_SECONDS = 5


@dataclass
class Service:
    """The real service on an embedded PostgreSQL, started again after every kill."""

    directory: Path
    process: subprocess.Popen[bytes] | None = None
    address: str = ""
    up: asyncio.Event = field(default_factory=asyncio.Event)

    async def start(self) -> None:
        variables = {
            "LOG_LEVEL": "ERROR",
            # A trash would outlive the soak; what is to lie in one is asked for.
            "DELETION_STRATEGY": "hard",
            "STORAGE_UPLOAD_LEASE_SECONDS": str(LEASE_SECONDS),
            "STORAGE_UPLOAD_IDLE_SECONDS": "2",
            f"STORAGE_QUOTA_{CATEGORY.upper()}": str(QUOTA_BYTES),
        }
        log = self.directory / "serve.log"
        with log.open("wb") as stderr:
            self.process = subprocess.Popen(  # noqa: ASYNC220 - returns at once
                [sys.executable, "-m", "media_analysis", "serve", "--port", "0", "--data-dir", str(self.directory)],
                env={**os.environ, **variables},
                stderr=stderr,
            )
        while " (OpenAPI" not in (said := log.read_text()):
            if self.process.poll() is not None:
                raise SystemExit(f"the service did not start again:\n{said}")
            await asyncio.sleep(0.05)
        self.address = said.partition("ready at ")[2].split()[0]
        self.up.set()

    async def kill(self) -> None:
        self.up.clear()
        if self.process is not None:
            self.process.kill()
            self.process.wait()
        await self.start()

    def kill_postgres(self) -> None:
        pid = (self.directory / "postgres" / "data" / "postmaster.pid").read_text().split()[0]
        with suppress(ProcessLookupError):  # the one before is dead, and the next has not written its own yet
            os.kill(int(pid), signal.SIGKILL)

    def stop(self) -> None:
        if self.process is not None:
            self.process.send_signal(signal.SIGINT)
            self.process.wait(60)


@dataclass
class Soak:
    """What the clients were told, and how often."""

    service: Service
    http: httpx.AsyncClient
    ends_at: float
    acknowledged: dict[str, str] = field(default_factory=dict)
    deleted: set[str] = field(default_factory=set)
    """By request, and never asked back since."""
    held: set[str] = field(default_factory=set)
    """By request, and never released since."""
    answers: Counter[str] = field(default_factory=Counter)
    broken: list[str] = field(default_factory=list)

    async def send(self, method: str, path: str, **about: object) -> httpx.Response | None:
        """Return the answer, None when the service died under the request."""
        await self.service.up.wait()
        token = (self.service.directory / "admin-token").read_text().strip()
        headers = {"Authorization": f"Bearer {token}"} | dict(about.pop("headers", None) or {})  # type: ignore[call-overload]
        try:
            answer = await self.http.request(method, f"{self.service.address}{path}", headers=headers, **about)  # type: ignore[arg-type]
        except httpx.HTTPError:
            self.answers[f"{method} cut off"] += 1
            return None
        self.answers[f"{method} {answer.status_code}"] += 1
        return answer

    async def use(self, dice: random.Random) -> None:
        mine: list[str] = []
        while time.monotonic() < self.ends_at:
            throw = dice.random()
            if throw < 0.5 or not mine:
                await self.upload(dice, mine)
            elif throw < 0.65:
                await self.delete(dice.choice(mine), strategy=dice.choice(["soft", "hard"]))
            elif throw < 0.7:
                await self.restore(dice.choice(mine))
            elif throw < 0.75:
                await self.hold(dice.choice(mine))
            elif throw < 0.8:
                await self.release(dice.choice(mine))
            elif throw < 0.88:
                ttl = {"ttl_seconds": dice.choice([1, 100])}
                await self.send("PATCH", f"/api/v1/files/{dice.choice(mine)}", json=ttl)
            else:
                await self.read(dice.choice(mine))

    async def upload(self, dice: random.Random, mine: list[str]) -> None:
        content = dice.randbytes(dice.choice(SIZES))
        params = {"category": dice.choice(CATEGORIES), "filename": "soak.bin"}
        if (ttl := dice.choice([1, 2, 3_600, None])) is not None:
            params["ttl_seconds"] = str(ttl)
        repeated = dice.random() < 0.3
        headers = {"Idempotency-Key": f"key-{dice.getrandbits(64)}"} if repeated else {}
        for _ in range(3 if repeated else 1):
            answer = await self.send("POST", "/api/v1/files", params=params, content=content, headers=headers)
            if answer is not None and answer.status_code == 201:
                stored = answer.json()
                self.acknowledged[stored["id"]] = hashlib.sha256(content).hexdigest()
                mine.append(stored["id"])
                return

    async def delete(self, file_id: str, *, strategy: str) -> None:
        answer = await self.send("DELETE", f"/api/v1/files/{file_id}", params={"strategy": strategy})
        if answer is not None and answer.status_code == 204:
            self.deleted.add(file_id)
            if file_id in self.held:
                self.broken.append(f"promise 5: {file_id} was deleted by request while held")

    async def restore(self, file_id: str) -> None:
        self.deleted.discard(file_id)
        answer = await self.send("POST", f"/api/v1/files/{file_id}/restore")
        if answer is not None and answer.status_code == 410:
            self.deleted.add(file_id)

    async def hold(self, file_id: str) -> None:
        answer = await self.send("PUT", f"/api/v1/files/{file_id}/hold", json={"reason": "soaked"})
        if answer is not None and answer.status_code == 200:
            self.held.add(file_id)

    async def release(self, file_id: str) -> None:
        self.held.discard(file_id)
        await self.send("DELETE", f"/api/v1/files/{file_id}/hold")

    async def read(self, file_id: str) -> None:
        was_deleted = file_id in self.deleted
        answer = await self.send("GET", f"/api/v1/files/{file_id}/content")
        if answer is None or answer.status_code != 200:
            return
        if was_deleted:
            self.broken.append(f"promise 17: {file_id} was deleted and read again")
        if hashlib.sha256(answer.content).hexdigest() != self.acknowledged[file_id]:
            self.broken.append(f"promise 1: {file_id} read back with other bytes")

    async def sweep(self) -> None:
        while time.monotonic() < self.ends_at:
            await self.send("POST", "/api/v1/storage/cleanup", params={"dry_run": "false"})
            await asyncio.sleep(0.3)

    async def disturb(self, dice: random.Random) -> None:
        while time.monotonic() < self.ends_at - 5:
            await asyncio.sleep(dice.uniform(2, 5))
            if dice.random() < 0.6:
                self.answers["service killed"] += 1
                await self.service.kill()
            else:
                self.answers["PostgreSQL killed"] += 1
                self.service.kill_postgres()


async def soak(directory: Path, *, seconds: float, seed: int) -> list[str]:
    """Return every violation after `seconds` of use and kills."""
    service = Service(directory)
    await service.start()
    try:
        async with httpx.AsyncClient(timeout=30) as http:
            run = Soak(service, http, time.monotonic() + seconds)
            users = [run.use(random.Random(f"{seed}-{number}")) for number in range(CLIENTS)]
            keeper = RunUser(run.send, run.ends_at, run.acknowledged, run.broken)
            users += [keeper.use(random.Random(f"{seed}-run-{number}")) for number in range(RUN_USERS)]
            owners = Owners(run.send, run.ends_at, run.broken)
            await owners.enter()
            users += [owners.hoard(random.Random(f"{seed}-hoarder")), owners.keep(random.Random(f"{seed}-modest"))]
            pauser = Pauser(run.send, directory / "store", run.ends_at, run.broken)
            users.append(pauser.use(random.Random(f"{seed}-pauser")))
            await asyncio.gather(*users, run.sweep(), run.sweep(), run.disturb(random.Random(seed)))
            await asyncio.sleep(LEASE_SECONDS + 1)
            await run.send("POST", "/api/v1/storage/cleanup", params={"dry_run": "false"})
    finally:
        service.stop()
    for answer, times in sorted(run.answers.items()):
        print(f"{times:7,} x {answer}")
    async with embedded_server(directory / "postgres") as server:
        found = await inspect_everything(server.url, directory / "store", acknowledged=run.acknowledged)
        gone = await fetch(server.url, "SELECT id::text FROM tombstones WHERE id = ANY($1::uuid[])", list(run.held))
    found += [f"promise 5: {row['id']} was held and is gone" for row in gone]
    found += _changed_on_disk(directory)
    print(
        f"{len(run.acknowledged):,} files acknowledged, {len(run.deleted):,} deleted by request, {len(run.held):,} held"
    )
    return run.broken + found


def _changed_on_disk(directory: Path) -> list[str]:
    """What lies on the disk is what was handed over, though a digest is taken of the latter."""
    command = [
        sys.executable,
        "-m",
        "media_analysis",
        "verify",
        "--hash",
        "--rate",
        "none",
        "--data-dir",
        str(directory),
    ]
    verified = subprocess.run(command, capture_output=True, text=True, check=False)
    print(verified.stdout)
    return [] if verified.returncode == 0 else [f"promise 1: verify says {verified.stdout}{verified.stderr}"]


def main() -> None:
    parser = argparse.ArgumentParser(prog="scripts/soak", description=__doc__)
    parser.add_argument("--seconds", type=float, default=90)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--link", type=int, metavar="MIB", help="one upload of so much over a slow link to a bucket")
    options = parser.parse_args()
    directory = Path(tempfile.mkdtemp(prefix="soak-", dir="/tmp"))
    directory.chmod(0o755)
    try:
        if options.link is None:
            violations = asyncio.run(soak(directory, seconds=options.seconds, seed=options.seed))
        else:
            violations = asyncio.run(soak_link(directory, mebibytes=options.link, seed=options.seed))
    finally:
        shutil.rmtree(directory)
    print("\n".join([f"{len(violations)} violations", *violations]))
    sys.exit(bool(violations))


if __name__ == "__main__":
    main()
