# nginx, asked once over a connection that is kept open: nginx.sh keepalive|444 FOLDER. The keep-alive time-out ends
# it with a FIN, the answer 444 with an RST.
PATH=$PATH:/usr/sbin:/sbin
cat >"$2/nginx.conf" <<CONF
pid $2/nginx.pid; error_log $2/error.log; daemon on; worker_processes 2;
events {}
http {
  access_log off; reset_timedout_connection on; keepalive_timeout 200ms;
  client_body_temp_path $2/t1; proxy_temp_path $2/t2; fastcgi_temp_path $2/t3; uwsgi_temp_path $2/t4; scgi_temp_path $2/t5;
  server { listen 127.0.0.1:80; location / { return 200 hello; } location /444 { return 444; } }
}
CONF
nginx -p "$2" -c "$2/nginx.conf" || exit 2
python3 - "$1" <<'CLIENT'
import socket, sys
path = "/" if sys.argv[1] == "keepalive" else "/444"
client = socket.create_connection(("127.0.0.1", 80))
client.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
try:
    while client.recv(4096):
        pass
except ConnectionResetError:
    pass
client.close()
CLIENT
