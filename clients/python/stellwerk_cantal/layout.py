"""Where each metric lies in the values file: pure, so that it can be checked against vectors."""

import json

_HEADS = {"counter": "counter", "signed": "level", "unsigned": "level", "float": "level", "state": "state"}
# What the reader takes; beyond it the whole file would be refused.
_MOST_META_BYTES = 1024 * 1024
_MOST_ENTRIES = 10_000
_CACHE_LINE = 64
_SMALLEST_STATE, _LARGEST_STATE = 9, 65_535


def layout(metrics):
    """The text of the .meta file, the offset of each metric in the order given, and the size of the values file.

    `metrics`: (type, size, labels) each. Numbers lie on multiples of 8, states on multiples of 64, so that none shares
    a cache line with a neighbour that another thread writes.
    """
    lines, offsets, seen, offset = [], [], set(), 0
    for kind, size, labels in metrics:
        for label, value in labels.items():
            if not isinstance(label, str) or not isinstance(value, str):
                raise TypeError(f"label {label!r}: a text is expected, not {type(value).__name__}")
        name = tuple(sorted(labels.items()))
        if name in seen:
            raise TypeError(f"two metrics with the labels {labels!r}")
        seen.add(name)
        if kind == "state" and not _SMALLEST_STATE <= size <= _LARGEST_STATE:
            raise ValueError(f"a state has from {_SMALLEST_STATE} to {_LARGEST_STATE} bytes, not {size}")
        alignment = _CACHE_LINE if kind == "state" else 8
        pad = -offset % alignment
        if pad:
            lines.append(f"pad {pad}")
        offset += pad
        offsets.append(offset)
        head = _HEADS[kind]
        text = json.dumps(labels, ensure_ascii=False, separators=(",", ":"))
        lines.append(f"{head} {size}{' ' + kind if head == 'level' else ''}: {text}")
        offset += size
    meta = "".join(line + "\n" for line in lines)
    if len(lines) > _MOST_ENTRIES:
        raise ValueError(f"{len(lines)} lines; cantal reads {_MOST_ENTRIES}")
    if len(meta.encode()) > _MOST_META_BYTES:
        raise ValueError(f"labels of more than {_MOST_META_BYTES} bytes")
    return meta, offsets, offset
