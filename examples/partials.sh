#!/usr/bin/env bash
# Reads many captures side by side and judges their connections as one pass would: records, one a line. Captures are in
# the order in which they are named.
#
# usage: examples/partials.sh DIR CAPTURE...    the partial records are left in DIR, by the captures' places
set -euo pipefail
export CLOSECHECK=${CLOSECHECK:-closecheck}
partials=$1
shift
mkdir -p "$partials"

# Names may be the same in several folders; places are not.
written=()
for capture in "$@"; do
  written+=("$partials/${#written[@]}.ndjson")
done

place=0
# 3 is the status of a capture that is damaged: what stands before the damage counts. xargs ends with 123 for any other.
# shellcheck disable=SC2016 # the inner shell's own variables
for capture in "$@"; do
  printf '%s\0%s\0' "$place" "$capture"
  place=$((place + 1))
done | xargs -0 -n 2 -P "$(nproc)" sh -c '
  "$CLOSECHECK" read --partial --place "$1" "$2" >"$0/$1.ndjson" || [ $? -eq 3 ]' "$partials"

"$CLOSECHECK" merge --format ndjson "${written[@]}"
