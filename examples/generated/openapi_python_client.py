"""Uses the package that openapi-python-client made, `media_client`, with ADDRESS and TOKEN; prints what it saw."""

import json
import sys
from io import BytesIO
from uuid import UUID

from media_client import AuthenticatedClient
from media_client.api.files import list_files, read_content, read_file, upload_file
from media_client.api.jobs import create_job
from media_client.models import (
    Category,
    FileList,
    FileRead,
    JobRead,
    ProbeJobCreate,
    Problem,
)
from media_client.types import File

address, token = sys.argv[1:]
http = AuthenticatedClient(base_url=address, token=token)
file = File(BytesIO(b"some bytes"))
stored = upload_file.sync(client=http, body=file, category=Category.CLIPS, filename="a.txt", label=["event:evt42"])
assert isinstance(stored, FileRead), stored
listed = list_files.sync(client=http, category=Category.CLIPS, label=["event:evt42"])
assert isinstance(listed, FileList)
content = read_content.sync_detailed(stored.id, client=http)
job = create_job.sync(client=http, body=ProbeJobCreate(name="n", kind="probe", source_file_ids=[stored.id]))
assert isinstance(job, JobRead)
refused = read_file.sync(UUID(int=7), client=http)
assert isinstance(refused, Problem)

told = {
    "labels": stored.labels.to_dict(),
    "listed": len(listed.items),
    "same": read_file.sync(stored.id, client=http) == stored,
    "content": content.content.decode(),
    "job": job.kind,
    "refused": [refused.status, refused.code],
}
sys.stdout.write(json.dumps(told))
