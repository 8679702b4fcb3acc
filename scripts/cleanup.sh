#!/usr/bin/env bash
# For cron: delete what is due now and print the outcome as JSON. Arguments go to `media-analysis sweep`,
# e.g.  */15 * * * *  /srv/media-analysis/scripts/cleanup.sh --category clips
# For a first week, rehearse it: the same JSON says what would have gone, and nothing does,
#       0 * * * *     /srv/media-analysis/scripts/cleanup.sh --dry-run >> /var/log/media-analysis-rehearsal.json
# (and start the service with STORAGE_CLEANUP_DRY_RUN=true, so that its own schedule rehearses as well).
# Exit codes: 0 done, or nothing was due; 1 refused or broken off, with a sentence on standard error;
# 2 some files could not be removed, they will be tried again; 130 and 143 ended by a signal.
set -euo pipefail
cd "$(dirname "$0")/.."
if [ ! -x .venv/bin/media-analysis ]; then
    echo "cleanup: nothing is installed here yet; scripts/serve does that, and makes the data directory" >&2
    exit 1
fi
exec .venv/bin/media-analysis sweep --json "$@"
