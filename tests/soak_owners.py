"""Owners of a soak: one hoards, one keeps within a fair share, and one pauses deletion and watches the store."""

import asyncio
import random
import time
from dataclasses import dataclass, field
from pathlib import Path

from media_analysis.storage.walk import OWN_NAMES
from tests.soak_runs import FILES, Send, answered

CATEGORY = "contact_sheets"
QUOTA_BYTES = 4 * 2**20
HOARDED_BYTES = 300 * 2**10
KEPT_BYTES = 40 * 2**10
KEPT_FILES = 20
"""Of one owner, who stays far below half of the quota with them."""
PAUSES = "/api/v1/storage/pauses"
UNDER_WAY_SECONDS = 1
"""What was being unlinked when deletion was paused is gone after that."""

Headers = dict[str, str]


@dataclass
class Owners:
    """Two owners who fill one category past its quota; only who holds more may lose files."""

    send: Send
    ends_at: float
    broken: list[str]
    headers: dict[str, Headers] = field(default_factory=dict)
    stored: dict[str, list[str]] = field(default_factory=dict)

    async def enter(self) -> None:
        for owner in ("modest", "hoarder"):
            asked = {"owner": owner, "role": "user", "ttl_seconds": 86_400}
            token = (await answered(self.send, "POST", "/api/v1/sessions", json=asked)).json()["token"]
            self.headers[owner] = {"Authorization": f"Bearer {token}"}
            self.stored[owner] = []

    async def hoard(self, dice: random.Random) -> None:
        while time.monotonic() < self.ends_at:
            await self._upload("hoarder", dice.randbytes(HOARDED_BYTES))
            await asyncio.sleep(0.2)

    async def keep(self, dice: random.Random) -> None:
        while time.monotonic() < self.ends_at:
            if len(self.stored["modest"]) < KEPT_FILES:
                await self._upload("modest", dice.randbytes(KEPT_BYTES))
            for kept in self.stored["modest"]:
                answer = await answered(self.send, "GET", f"{FILES}/{kept}", headers=self.headers["modest"])
                if answer.status_code != 200:
                    self.broken.append(f"promise 31: {kept} of the owner who holds less answers {answer.text}")
            await asyncio.sleep(0.5)

    async def _upload(self, owner: str, content: bytes) -> None:
        params = {"category": CATEGORY, "filename": "sheet.bin"}
        answer = await self.send("POST", FILES, params=params, content=content, headers=self.headers[owner])
        if answer is not None and answer.status_code == 201:
            self.stored[owner].append(answer.json()["id"])


@dataclass
class Pauser:
    """Pauses deletion now and then, for a backup say; not one object may go until it goes on."""

    send: Send
    store: Path
    ends_at: float
    broken: list[str]

    async def use(self, dice: random.Random) -> None:
        while time.monotonic() < self.ends_at:
            await asyncio.sleep(dice.uniform(1, 4))
            await answered(self.send, "POST", PAUSES, json={"reason": "soaked"})
            await asyncio.sleep(UNDER_WAY_SECONDS)
            before = self._objects()
            await asyncio.sleep(dice.uniform(1, 3))
            gone = sorted(before - self._objects())
            self.broken += [f"promise 36: {name} went while deletion was paused" for name in gone]
            await self._resume()

    async def _resume(self) -> None:
        paused = await answered(self.send, "GET", PAUSES, params={"open": "true"})
        for pause in paused.json()["items"]:
            confirmation = {"confirm": pause["files"]}
            await answered(self.send, "POST", f"{PAUSES}/{pause['id']}/resume", json=confirmation)

    def _objects(self) -> set[str]:
        """The names of what rows speak of."""
        return {path.name for path in self.store.rglob("*") if path.is_file() and path.name not in OWN_NAMES}
