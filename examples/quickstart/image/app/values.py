"""Writer of the mapped-values protocol: numbers in shared memory that cantal reads without ever calling us.

A `.values` file of 8-byte words in host byte order and a `.meta` text file that names them, both next to the path in
CANTAL_PATH. The order of creation is part of the protocol: values first, then the text, each by rename.
"""

import json
import mmap
import os
import struct


class Values:
    def __init__(self, entries):
        """entries: list of (kind, labels), kind one of "counter", "level signed", "level float", "state SIZE"."""
        self._offsets = []
        lines = []
        size = 0
        for kind, labels in entries:
            name, _, parameter = kind.partition(" ")
            width = int(parameter) if name == "state" else 8
            head = f"{name} {width}" + (f" {parameter}" if name == "level" else "")
            lines.append(f"{head}: {json.dumps(labels)}")
            self._offsets.append((size, width))
            size += width
        path = os.environ.get("CANTAL_PATH")
        if path is None:
            self._memory = bytearray(size)
            return
        for suffix in (".meta", ".values"):
            try:
                os.unlink(path + suffix)
            except FileNotFoundError:
                pass
        temporary = path + ".tmp"
        with open(temporary, "w+b") as file:
            file.truncate(size)
            self._memory = mmap.mmap(file.fileno(), size)
        os.rename(temporary, path + ".values")
        with open(temporary, "w", encoding="utf-8") as file:
            file.write("\n".join(lines) + "\n")
        os.rename(temporary, path + ".meta")

    def set_unsigned(self, index, value):
        struct.pack_into("=Q", self._memory, self._offsets[index][0], value)

    def set_signed(self, index, value):
        struct.pack_into("=q", self._memory, self._offsets[index][0], value)

    def set_state(self, index, since_ms, text):
        offset, width = self._offsets[index]
        body = text.encode()[: width - 8].ljust(width - 8, b"\0")
        self._memory[offset + 8 : offset + width] = body
        struct.pack_into("=Q", self._memory, offset, since_ms)
