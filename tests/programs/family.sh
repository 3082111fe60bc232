# A child, and two daemons that have left the process group: one of them ignores SIGTERM and SIGHUP. The
# argument marks them all.
sh -c 'while :; do sleep 1; done' child "$1" &
setsid sh -c 'while :; do sleep 1; done' daemon "$1" &
(setsid sh -c 'trap "" TERM HUP; while :; do sleep 1; done' deaf "$1" &)
while [ "$(grep -las "$1" /proc/[0-9]*/cmdline | xargs -r grep -lasE '^sh.-c.*(child|daemon|deaf)' | wc -l)" -lt 3 ]; do
  sleep 0.05
done
echo ready
[ "$2" = stay ] && wait
exit 0
