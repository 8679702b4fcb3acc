"""Every failpoint the scenario reaches, and how often; a new failpoint must be added here."""

from typing import Final

MOST_HITS: Final = 2
"""How many hits of each point are killed at."""

REACHED: Final = {
    "marker.written": 1,
    "upload.registering": 5,
    "upload.registered": 5,
    "upload.locked": 5,
    "store.folder_made": 7,
    "upload.named": 5,
    "upload.created": 5,
    "upload.bytes_written": 6,
    "upload.file_synced": 4,
    "upload.synced": 4,
    "upload.settling": 4,
    "upload.settled": 4,
    "delete.unlinked": 3,
    "store.folder_removed": 3,
    "delete.purged": 3,
    "delete.confirmed": 3,
    "upload.abandoning": 1,
    "upload.abandoned": 1,
    "delete.requesting": 1,
    "delete.requested": 1,
    "delete.claiming": 1,
    "delete.claimed": 1,
}

KILLS: Final = [f"{point}:{hit}" for point, hits in REACHED.items() for hit in range(1, min(hits, MOST_HITS) + 1)]
