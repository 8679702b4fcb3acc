"""Download all files with a label, four at a time: `fetch.py LABEL FOLDER`."""

import asyncio
import os
import sys

from media_analysis.client import AsyncClient, File, TargetTaken


async def main(label: str, folder: str) -> None:
    """Fetch each file that is not there yet."""
    async with AsyncClient(os.environ["MEDIA_ANALYSIS_URL"], os.environ["MEDIA_ANALYSIS_TOKEN"]) as client:
        at_once = asyncio.Semaphore(4)

        async def fetch(file: File) -> None:
            async with at_once:
                try:
                    print(await client.download(file.id, folder))
                except TargetTaken as error:
                    print(f"left out: {error}")

        async with asyncio.TaskGroup() as group:
            async for file in client.files(labels=[label]):
                group.create_task(fetch(file))


asyncio.run(main(*sys.argv[1:]))
