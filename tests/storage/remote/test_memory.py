"""What making an object of others takes of memory, where a bucket does not do it by itself (promise 24)."""

import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import Final
from uuid import uuid4

import pytest

from media_analysis.storage.remote.address import RemoteAddress
from media_analysis.storage.remote.bucket import Bucket
from tests.programs import run
from tests.s3 import ENVIRONMENT, options_for

pytestmark = pytest.mark.s3
MEBIBYTES: Final = 48
MOST_MEBIBYTES: Final = 16
ASSEMBLING: Final = """
import asyncio, os, sys, threading, time
from media_analysis.storage.remote.address import RemoteAddress
from media_analysis.storage.remote.assembling import assemble
from media_analysis.storage.remote.bucket import Bucket
from media_analysis.storage.remote.clients import RemoteOptions
from media_analysis.storage.remote.credentials import credentials

def resident():
    return int(open("/proc/self/statm").read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

async def main(address, size_bytes):
    bucket = Bucket(RemoteAddress.parse(address), RemoteOptions(credentials=credentials(os.environ)))
    bucket.requests = None  # as where that is not S3, or its keys are a machine's
    await bucket.get("pieces", 0, 1)
    before, most, over = resident(), [0], threading.Event()

    def watch():
        while not over.wait(0.001):
            most.append(max(most.pop(), resident()))

    watching = threading.Thread(target=watch)
    watching.start()
    await assemble(bucket, "whole", [("pieces", size_bytes)])
    over.set()
    watching.join()
    bucket.close()
    print((most[0] - before) / 2**20)

asyncio.run(main(sys.argv[1], int(sys.argv[2])))
"""


async def test_an_object_is_made_of_others_within_what_a_request_may_take(
    bucket: RemoteAddress, tmp_path: Path
) -> None:
    address = replace(bucket, prefix=uuid4().hex)
    lying = Bucket(address, options_for())
    chunk = os.urandom(2**20)
    await lying.in_thread(lambda: lying.put_here("pieces", (chunk for _ in range(MEBIBYTES))))
    lying.close()

    command = (sys.executable, "-c", ASSEMBLING, address, MEBIBYTES * 2**20)
    taken_mebibytes = float(await run(*command, folder=tmp_path, PYTHONPATH=str(Path.cwd()), **ENVIRONMENT))

    assert 0 < taken_mebibytes <= MOST_MEBIBYTES
