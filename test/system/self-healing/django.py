"""Stands for django: serves by itself, and fails where its node does.

While the file /node/broken is there, instances from 5 on end as soon as they start, and the five that are left have 77
failing requests a second among them.
"""

import os
import signal
import sys
import time

from stellwerk_cantal import Counter, export

LEFT = 5
ERRORS_PER_SECOND = 77 / LEFT

instance = int(os.environ["LITHOS_NAME"].rsplit(".", 1)[1])


def broken():
    return os.path.exists("/node/broken")


signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
if broken() and instance >= LEFT:
    sys.exit(1)
requests = Counter(metric="requests", group="django")
errors = Counter(metric="errors", group="django")
exported = export([requests, errors])
due = 0.0
last = time.monotonic()
while True:
    time.sleep(0.2)
    now = time.monotonic()
    requests.add()
    if broken():
        if instance >= LEFT:
            sys.exit(1)
        due += ERRORS_PER_SECOND * (now - last)
        errors.add(int(due))
        due -= int(due)
    last = now
