"""Users of runs in a soak: they have them archived, read inside the archives, bring them back and delete some."""

import asyncio
import hashlib
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import httpx

LOOK_SECONDS = 0.1
SIZES = (0, 10, 4_096, 70_000, 700_000)
TRIES = 200
"""Looks for an answer while the service is up and down; it is up most of the time."""
JOBS = "/api/v1/jobs"
FILES = "/api/v1/files"

Send = Callable[..., Awaitable[httpx.Response | None]]


async def answered(send: Send, method: str, path: str, **about: Any) -> httpx.Response:
    """Repeat a request until it is answered by a service that has its database."""
    for _ in range(TRIES):
        answer = await send(method, path, **about)
        if answer is not None and answer.status_code != 503:
            return answer
        await asyncio.sleep(LOOK_SECONDS)
    raise SystemExit(f"{method} {path} was never answered")


@dataclass
class Run:
    """A run that has ended, and the digests of its files."""

    id: str
    digests: dict[str, str] = field(default_factory=dict)


@dataclass
class RunUser:
    """Uses runs until the time is over; what must not be is written down in `broken`."""

    send: Send
    ends_at: float
    acknowledged: dict[str, str]
    broken: list[str]

    async def use(self, dice: random.Random) -> None:
        while time.monotonic() < self.ends_at:
            run = await self.make(dice)
            for _ in range(dice.randint(1, 3)):
                await self.add_file(dice, run)
                await self.work(run, "archive")
                await self.read_all(run)
                await self.work(run, "restore")
                await self.read_all(run)
            if dice.random() < 0.3:
                await self.delete(run)

    async def make(self, dice: random.Random) -> Run:
        """Return a run that ended at once, for its source is no video."""
        source = await self.sure(
            "POST", FILES, params={"category": "uploads", "filename": "no.mp4"}, content=dice.randbytes(100)
        )
        asked = {"name": "soaked", "kind": "probe", "source_file_ids": [source["id"]]}
        run = Run((await self.sure("POST", JOBS, json=asked))["id"])
        for _ in range(TRIES):
            if (await self.sure("GET", f"{JOBS}/{run.id}"))["status"] in {"failed", "completed"}:
                break
            await asyncio.sleep(LOOK_SECONDS)
        return run

    async def add_file(self, dice: random.Random, run: Run) -> None:
        content = dice.randbytes(dice.choice(SIZES))
        params = {"category": "outputs", "filename": "Übersicht.bin", "job_id": run.id}
        answer = await self.send("POST", FILES, params=params, content=content)
        if answer is not None and answer.status_code == 201:
            stored = answer.json()["id"]
            run.digests[stored] = self.acknowledged[stored] = hashlib.sha256(content).hexdigest()

    async def work(self, run: Run, verb: str) -> None:
        """Ask for a task and wait for its end; that it failed, as under a killed database, breaks nothing.

        One whose service was killed is another's after a minute; till then it is asked for in vain.
        """
        await self.send("POST", f"{JOBS}/{run.id}/{verb}")
        while time.monotonic() < self.ends_at:
            answer = await self.send("GET", f"{JOBS}/{run.id}/archive")
            if answer is not None and answer.status_code == 200:
                task = answer.json()["task"]
                if task is None or task["status"] not in {"pending", "running"}:
                    return
            elif answer is not None and answer.status_code < 500:
                return  # it was never archived, and nobody is at it
            await asyncio.sleep(LOOK_SECONDS)

    async def read_all(self, run: Run) -> None:
        """Read every file where its address leads to, in the store or in the archive."""
        for file_id, digest in run.digests.items():
            answer = await self.answered("GET", f"{FILES}/{file_id}/content")
            if answer.status_code == 409:
                answer = await self.answered("GET", answer.json()["archive"])
            if answer.status_code != 200:
                self.broken.append(f"promise 1: {file_id} of run {run.id} answers {answer.status_code}: {answer.text}")
            elif hashlib.sha256(answer.content).hexdigest() != digest:
                self.broken.append(f"promise 20: {file_id} of run {run.id} came back with other bytes")

    async def delete(self, run: Run) -> None:
        answer = await self.answered("DELETE", f"{JOBS}/{run.id}", params={"reason": "soaked"})
        if answer.is_success:
            for file_id in run.digests:
                left = await self.answered("GET", f"{FILES}/{file_id}/content")
                if left.status_code not in {404, 410}:
                    self.broken.append(f"promise 8: {file_id} answers {left.status_code} after its run was deleted")

    async def answered(self, method: str, path: str, **about: Any) -> httpx.Response:
        return await answered(self.send, method, path, **about)

    async def sure(self, method: str, path: str, **about: Any) -> dict[str, Any]:
        """Return what a request is answered in the end."""
        answer = await self.answered(method, path, **about)
        answer.raise_for_status()
        body: dict[str, Any] = answer.json()
        return body
