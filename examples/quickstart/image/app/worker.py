"""Stands for a background worker: takes a job every second and counts it."""

import os
import signal
import sys
import time

from values import Values

labels = {"group": "worker", "node": os.environ["NODE"]}
JOBS, STATE = range(2)
values = Values([("counter", {"metric": "jobs", **labels}), ("state 64", {"state": "worker", **labels})])


def stop(*_):
    sys.exit(0)


signal.signal(signal.SIGTERM, stop)
jobs = 0
while True:
    values.set_state(STATE, int(time.time() * 1000), "idle")
    time.sleep(1)
    values.set_state(STATE, int(time.time() * 1000), "working")
    jobs += 1
    values.set_unsigned(JOBS, jobs)
