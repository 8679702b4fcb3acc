"""What the tests of external share."""

from typing import Any

from tests.conftest import Client

CONTENT = b"to be or not to be"


class Analyser:
    """One who claims jobs and writes under the fence it was given."""

    def __init__(self, client: Client, by: str = "alice") -> None:
        self._client = client
        self._by = by
        self.run: dict[str, Any] = {}

    async def claim(self, *analysers: str) -> int:
        asked = {"analysers": analysers or ["words"], "worker": "w-1"}
        answer = await self._client.request("POST", "/api/v1/jobs/claims", by=self._by, json=asked)
        self.run = answer.json() if answer.status_code == 200 else {}
        return answer.status_code

    @property
    def path(self) -> str:
        return f"/api/v1/jobs/{self.run['job_id']}"

    async def send(self, method: str, path: str, **about: Any) -> Any:
        return await self._client.request(method, self.path + path, by=self._by, **about)

    async def tell(self, what: str, **facts: Any) -> Any:
        return await self.send("POST", f"/{what}", json={"fence": self.run["fence"], **facts})

    async def add(self, content: bytes = b"a,1\n", **query: Any) -> Any:
        params = {"fence": self.run["fence"], "role": "table", "ordinal": 0, "filename": "words.csv"} | query
        return await self.send("POST", "/products", params=params, content=content)

    async def put(self, data: Any = None, kind: str = "words", **query: Any) -> Any:
        params = {"fence": self.run["fence"]} | query
        return await self.send("PUT", f"/results/{kind}", params=params, json=data or {"to": 2})


async def ask(client: Client, *sources: str, by: str = "alice", **about: Any) -> dict[str, Any]:
    """Create an external job for the analyser `words`."""
    asked = {
        "name": "count words",
        "kind": "external",
        "source_file_ids": sources,
        "parameters": {"analyser": "words", "options": {"fold": True}},
    } | about
    answer = await client.request("POST", "/api/v1/jobs", by=by, json=asked)
    assert answer.status_code == 202, answer.text
    job: dict[str, Any] = answer.json()
    return job
