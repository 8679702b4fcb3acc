"""Upload a large file, and go on where it was after ^C or a restart: `go_on.py PATH`."""

import os
import sys
from pathlib import Path

from media_analysis.client import Client, MemoryFile, QuotaExceeded

path = Path(sys.argv[1])
memory = MemoryFile(Path(f"{path.name}.upload"))
with Client(os.environ["MEDIA_ANALYSIS_URL"], os.environ["MEDIA_ANALYSIS_TOKEN"], patience_seconds=600) as client:
    try:
        file = client.upload(path, memory=memory, in_pieces=True)
    except QuotaExceeded as error:
        sys.exit(f"no room: {error}")
    print(f"sha256 {file.sha256}")
