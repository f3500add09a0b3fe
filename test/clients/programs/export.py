"""Exports the metrics of a vector and stays until its standard input ends."""

import json
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../../../clients/python"))

from stellwerk_cantal import Counter, Float, Integer, State, export  # noqa: E402

metrics, changes = [], []
with open(sys.argv[1], encoding="utf-8") as file:
    vector = json.load(file)["metrics"]
for each in vector:
    labels = each["labels"]
    if each["type"] == "counter":
        metric = Counter(**labels)
        metric.add(int(each["value"]))
        changes.append(metric.add)
    elif each["type"] == "signed":
        metric = Integer(**labels)
        metric.set(int(each["value"]))
        changes.append(lambda metric=metric: metric.add(-1))
    elif each["type"] == "float":
        metric = Float(**labels)
        metric.set(float(each["value"]))
        changes.append(lambda metric=metric: metric.set(0.5))
    else:
        metric = State(size=each["size"], **labels)
        metric.enter(each["value"], each["since"])
        changes.append(metric.leave)
    metrics.append(metric)
exported = export(metrics)
if "--fork" in sys.argv:
    child = os.fork()
    if child == 0:
        sys.exit(0)  # with all that runs at exit
    os.waitpid(child, 0)
print("ready", flush=True)
for _ in sys.stdin:
    for change in changes:
        change()
    print("changed", flush=True)
