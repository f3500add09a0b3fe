"""Asks the nodes whom they follow while the network between them changes."""

import subprocess
import sys
import time
import urllib.error
import urllib.request

NODES = {"a": "172.23.0.1", "b": "172.23.0.2", "c": "172.23.0.3"}
NAMES = {address: name for name, address in NODES.items()}


def leader(node):
    try:
        with urllib.request.urlopen(f"http://{NODES[node]}:8000", timeout=5) as answer:
            text = answer.read().decode()
            return NAMES.get(text, text)
    except urllib.error.URLError:
        return "starting"


def expect(what, **wanted):
    """Waits until each node follows whom it should."""
    end = time.monotonic() + 60
    while True:
        now = {node: leader(node) for node in wanted}
        if now == wanted:
            print(f"{what}: {now}")
            return
        if time.monotonic() > end:
            sys.exit(f"{what}: expected {wanted}, the nodes follow {now}")
        time.sleep(0.1)


def network(*words):
    subprocess.check_call(["vagga", "_network", *words])


expect("all together", a="a", b="a", c="a")
network("isolate", "a")
expect("a alone", a="nobody", b="b", c="b")
network("disjoint", "a", "b", "--", "c")
expect("c alone", a="a", b="a", c="nobody")
network("split", "a", "b", "--", "b", "c")
expect("a and c meet b only", a="a", b="a", c="b")
network("fullmesh")
expect("all together again", a="a", b="a", c="a")
