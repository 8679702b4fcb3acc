"""Store a file for a month, under labels, and say when it goes: `keep.py PATH`."""

import os
import sys
from datetime import timedelta

from media_analysis.client import Client

with Client(os.environ["MEDIA_ANALYSIS_URL"], os.environ["MEDIA_ANALYSIS_TOKEN"]) as client:
    file = client.upload(sys.argv[1], ttl=timedelta(days=30), labels={"event": "evt42"})
    print(f"{file.filename}, {file.media_type}, {file.size_bytes} bytes, goes {file.expires_at:%Y-%m-%d}")
