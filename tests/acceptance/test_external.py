"""The worked example of an external analyser, run as its reader would."""

import json
import subprocess
import sys
from pathlib import Path

from tests.acceptance.service import DEADLINE_SECONDS, Service

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "external" / "analyser.py"


def test_thirty_lines_of_python_analyse_a_file(service: Service, tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text(service.token)
    upload = service.curl("/api/v1/files?category=uploads&filename=a.bin", "--data-binary", "abracadabra")
    asked = {
        "name": "bytes",
        "kind": "external",
        "source_file_ids": [upload.json()["id"]],
        "parameters": {"analyser": "bytes"},
    }
    job = service.curl("/api/v1/jobs", "-H", "Content-Type: application/json", "--data", json.dumps(asked)).json()

    subprocess.run([sys.executable, str(EXAMPLE), service.address, str(token)], check=True, timeout=DEADLINE_SECONDS)

    assert service.curl(f"/api/v1/jobs/{job['id']}").json()["status"] == "completed"
    (result,) = service.curl(f"/api/v1/jobs/{job['id']}/results").json()["items"]
    assert result["data"] == {"distinct": 5, "top": [[97, 5], [98, 2], [114, 2]]}
    (product,) = service.curl(f"/api/v1/jobs/{job['id']}/files?category=outputs").json()["items"]
    assert service.curl(f"/api/v1/files/{product['id']}/content").body == b"97,5\n98,2\n99,1\n100,1\n114,2\n"
