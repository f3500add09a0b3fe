"""A small HTTP service that counts its requests where cantal can see them.

Instance N of the node listens on BASE_PORT + N; both come from the container's variables and its lithos name.
"""

import http.server
import os
import signal
import socketserver
import sys
import threading
import time

from values import Values

instance = int(os.environ["LITHOS_NAME"].rsplit(".", 1)[1])
host = os.environ["LISTEN_HOST"]
port = int(os.environ["BASE_PORT"]) + instance
labels = {"group": "web", "node": os.environ["NODE"]}

REQUESTS, ACTIVE, STATE = range(3)
values = Values(
    [
        ("counter", {"metric": "requests", **labels}),
        ("level signed", {"metric": "requests.active", **labels}),
        ("state 64", {"state": "web", **labels}),
    ]
)
lock = threading.Lock()
counts = {"requests": 0, "active": 0}


def count(requests, active):
    with lock:
        counts["requests"] += requests
        counts["active"] += active
        values.set_unsigned(REQUESTS, counts["requests"])
        values.set_signed(ACTIVE, counts["active"])


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self):
        count(1, 1)
        try:
            body = f"{os.environ['NODE']} {os.environ['LITHOS_NAME']}\n".encode()
            self.send_response(200)
            self.send_header("Content-Type", "text/plain")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
        finally:
            count(0, -1)

    def log_message(self, *_):
        pass


class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 128


def stop(*_):
    values.set_state(STATE, int(time.time() * 1000), "stopping")
    threading.Thread(target=server.shutdown).start()


server = Server((host, port), Handler)
signal.signal(signal.SIGTERM, stop)
values.set_state(STATE, int(time.time() * 1000), "serving")
print(f"web: listening on {host}:{port}", flush=True)
server.serve_forever(poll_interval=0.5)
sys.exit(0)
