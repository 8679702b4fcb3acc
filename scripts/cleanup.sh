#!/usr/bin/env bash
# For cron: delete what is due now and print the outcome as JSON. Arguments go to `media-analysis sweep`,
# e.g.  */15 * * * *  /srv/media-analysis/scripts/cleanup.sh --category clips
# Exit codes: 0 done, 1 refused or broken off, 2 some files could not be removed (they will be tried again).
set -euo pipefail
cd "$(dirname "$0")/.."
exec .venv/bin/media-analysis sweep --json "$@"
