"""Load generator: RATE requests a minute over kept connections, to TARGET_COUNT ports from TARGET_PORT on in turn.

With nginx the target is the node's router (one port), without it the node's own web instances.
"""

import http.client
import os
import queue
import signal
import sys
import threading
import time

from values import Values

rate = float(os.environ["RATE"])
first_port = int(os.environ["TARGET_PORT"])
targets = [f"{os.environ['TARGET_HOST']}:{first_port + n}" for n in range(int(os.environ["TARGET_COUNT"]))]
labels = {"group": "load", "node": os.environ["NODE"]}
CONNECTIONS = 8

SENT, FAILED = range(2)
values = Values([("counter", {"metric": "sent", **labels}), ("counter", {"metric": "failed", **labels})])
lock = threading.Lock()
counts = [0, 0]
tickets = queue.Queue(maxsize=CONNECTIONS * 4)


def count(index):
    with lock:
        counts[index] += 1
        values.set_unsigned(index, counts[index])


def send(number):
    connections = {}
    turn = number
    while True:
        tickets.get()
        turn += 1
        target = targets[turn % len(targets)]
        try:
            connection = connections.get(target) or http.client.HTTPConnection(target, timeout=5)
            connections[target] = connection
            connection.request("GET", "/")
            response = connection.getresponse()
            response.read()
            count(SENT if response.status == 200 else FAILED)
        except OSError:
            count(FAILED)
            connections.pop(target, None)
        except http.client.HTTPException:
            count(FAILED)
            connections.pop(target, None)


signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
if not targets:
    print("load: no target yet", flush=True)
    while True:
        time.sleep(1)
for number in range(CONNECTIONS):
    threading.Thread(target=send, args=(number,), daemon=True).start()
print(f"load: {rate:.0f} requests a minute to {', '.join(targets)}", flush=True)
# An absolute schedule: a slow moment is caught up for at most a second, not for ever.
next_at = time.monotonic()
while True:
    now = time.monotonic()
    next_at = max(next_at + 60 / rate, now - 1)
    if next_at > now:
        time.sleep(next_at - now)
    try:
        tickets.put_nowait(None)
    except queue.Full:
        count(FAILED)
