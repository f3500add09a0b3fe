"""A node that hears the others by UDP. Whoever hears a majority follows the lowest address of it; others have no leader.

Port 8000 tells the leader by HTTP.
"""

import http.server
import socket
import sys
import threading
import time

own, *others = sys.argv[1:]
PORT = 7000
FORGET_S = 1.0

heard = {}


def leader():
    now = time.monotonic()
    alive = [own] + [each for each in others if now - heard.get(each, -FORGET_S) < FORGET_S]
    return min(alive) if 2 * len(alive) > 1 + len(others) else "nobody"


def listen(sock):
    while True:
        _, (address, _) = sock.recvfrom(64)
        heard[address] = time.monotonic()


def speak(sock):
    while True:
        for each in others:
            try:
                sock.sendto(b"here", (each, PORT))
            except OSError:
                pass  # the network is cut
        time.sleep(0.2)


class Leader(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(leader().encode())

    def log_message(self, *_):
        pass


sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sock.bind((own, PORT))
for work in (listen, speak):
    threading.Thread(target=work, args=(sock,), daemon=True).start()
http.server.ThreadingHTTPServer((own, 8000), Leader).serve_forever()
