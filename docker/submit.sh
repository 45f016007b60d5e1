#!/usr/bin/env bash
# Submit the job profile_update to the cluster of compose.yaml, reading a feed's topic; see docs/cluster.md.
#   docker/submit.sh FEED [--bounded] [options of `flink run`, e.g. -s SAVEPOINT]
set -euo pipefail

if [[ $# -lt 1 ]]; then
    sed -n '2,3s/^# *//p' "${BASH_SOURCE[0]}" >&2
    exit 2
fi
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# Run, not exec: the JobManager's container has no passwords, so a client of its own submits and ends.
exec docker compose -f "$here/compose.yaml" run --rm submit "$@"
