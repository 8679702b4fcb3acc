"""Uploads a file by tuspy in every way: `tus.py ADDRESS TOKEN FILE`, prints `way upload` a line."""

import sys

from tusclient import client

address, token, path = sys.argv[1:]
made = client.TusClient(address, headers={"Authorization": f"Bearer {token}"})
WAYS = {
    "plain": {},
    "chunked": {"chunk_size": 1_500_000},
    "checked": {"chunk_size": 1_500_000, "upload_checksum": True},
}
for way, options in WAYS.items():
    uploader = made.uploader(path, metadata={"filename": "a.bin", "category": "temp"}, **options)
    uploader.upload()
    sys.stdout.write(f"{way} {uploader.url}\n")
begun = made.uploader(path, metadata={"filename": "a.bin"}, chunk_size=1_000_000)
begun.upload_chunk()  # type: ignore[no-untyped-call]
resumed = made.uploader(path, url=begun.url, chunk_size=1_500_000)
resumed.upload()
sys.stdout.write(f"resumed {resumed.url}\n")
