"""Delete all files with a label, after a look at how many go, and read one of them in vain: `tidy.py LABEL`."""

import os
import sys

from media_analysis.client import Client, Conflict, Gone

with Client(os.environ["MEDIA_ANALYSIS_URL"], os.environ["MEDIA_ANALYSIS_TOKEN"]) as client:
    files = list(client.files(labels=[sys.argv[1]]))
    counted = client.delete_files(labels=[sys.argv[1]])
    print(f"{counted.files} files go, {counted.needs or 'none'} to be confirmed")
    try:
        client.delete_files(labels=[sys.argv[1]], dry_run=False, confirm=counted.needs, reason="event is over")
    except Conflict as error:
        sys.exit(f"refused: {error} ({error.code})")
    try:
        client.download(files[0].id, ".")
    except Gone as error:
        print(f"gone by rule {error.tombstone.rule}")
