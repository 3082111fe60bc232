# Python's http.server, asked once by curl: http.sh get|post FOLDER. A GET is answered and both close; a POST is
# refused before its body is read.
cd "$2" || exit 2
python3 -u -m http.server --bind 127.0.0.1 0 >server.log 2>&1 &
server=$!
while ! port=$(sed -n 's/.* port \([0-9]*\) .*/\1/p' server.log | grep .); do sleep 0.02; done
case $1 in
  get) curl -sf -o /dev/null "http://127.0.0.1:$port/" ;;
  post)
    head -c 4000000 /dev/zero >body
    # As the server has the beginning of the body before it looks, it closes over the rest.
    kill -STOP "$server"
    curl -s -o /dev/null -H Expect: -H Content-Type: --data-binary @body "http://127.0.0.1:$port/" &
    curl=$!
    local=0100007F:$(printf %04X "$port")
    received() { awk -v local="$local" '$2 == local && $4 == "01" { print "0x" substr($5, 10); exit }' /proc/net/tcp; }
    while [ $(($(received) + 0)) -lt 20000 ]; do sleep 0.02; done
    kill -CONT "$server"
    wait "$curl"
    ;;
esac
kill "$server"
wait "$server"
exit 0
