"""Uses the package that openapi-generator made, `media_client`, with ADDRESS and TOKEN; prints what it saw."""

import json
import sys
from uuid import UUID

import media_client as made

address, token = sys.argv[1:]
with made.ApiClient(made.Configuration(host=address, access_token=token)) as http:
    files, jobs = made.FilesApi(http), made.JobsApi(http)
    stored = files.upload_file(made.Category.CLIPS, "a.txt", b"some bytes", label=["event:evt42"])
    listed = files.list_files(category=made.Category.CLIPS, label=["event:evt42"])
    wanted = made.ProbeJobCreate(kind="probe", name="n", source_file_ids=[stored.id])
    try:
        files.read_file(UUID(int=7))
    except made.exceptions.NotFoundException as error:
        refused = [error.status, error.data.code]
    told = {
        "labels": stored.labels,
        "listed": len(listed.items),
        "same": files.read_file(stored.id) == stored,
        "content": files.read_content(stored.id).decode(),
        "job": jobs.create_job(made.JobCreate(wanted)).kind,
        "refused": refused,
    }
sys.stdout.write(json.dumps(told))
