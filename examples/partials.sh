#!/usr/bin/env bash
# Reads many captures side by side and judges their connections as one pass would: records, one a line.
#
# usage: examples/partials.sh DIR CAPTURE...    the partial records are left in DIR
set -euo pipefail
export CLOSECHECK=${CLOSECHECK:-closecheck}
partials=$1
shift
mkdir -p "$partials"

# 3 is the status of a capture that is damaged: what stands before the damage counts. xargs ends with 123 then.
# shellcheck disable=SC2016 # the inner shell's own variables
printf '%s\0' "$@" | xargs -0 -n 1 -P "$(nproc)" sh -c '
  "$CLOSECHECK" read --partial "$1" >"$0/$(basename "$1").ndjson" || [ $? -eq 3 ]' "$partials"

"$CLOSECHECK" merge --format ndjson "$partials"/*.ndjson
