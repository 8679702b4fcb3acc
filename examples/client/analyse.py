"""Analyse a film, follow the job, and print what was found: `analyse.py PATH`."""

import os
import sys

from media_analysis.client import Client

with Client(os.environ["MEDIA_ANALYSIS_URL"], os.environ["MEDIA_ANALYSIS_TOKEN"]) as client:
    film = client.upload(sys.argv[1])
    job = client.create_job("analyze", source_file_ids=[film.id], parameters={"every_seconds": 1})
    for event in client.job_events(job.id):
        print(event.kind, event.data.get("status") or f"{event.data.get('progress', 0):.0%}")
    for result in client.job_results(job.id, kind="probe"):
        print(result.data["video_codec"], result.data["duration_seconds"])
    print(sum(1 for _ in client.job_files(job.id, category="frames")), "frames")
