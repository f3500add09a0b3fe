"""Exports numbers to cantal through a memory-mapped file: a change is a store into memory, and the reader never calls.

    from stellwerk_cantal import Counter, export

    requests = Counter(metric="requests", group="http")
    exported = export([requests])
    requests.add()
"""

import atexit
import mmap
import os
import threading
import time

from .layout import layout

__all__ = ["Counter", "Integer", "Float", "State", "export", "default_path"]
__version__ = "0.1.0"

_WORD = 8


def default_path(environ=None):
    """Common path of the two files: CANTAL_PATH, else below XDG_RUNTIME_DIR, else below /tmp."""
    environ = os.environ if environ is None else environ
    if environ.get("CANTAL_PATH"):
        return environ["CANTAL_PATH"].rstrip("/")
    if environ.get("XDG_RUNTIME_DIR"):
        return os.path.join(environ["XDG_RUNTIME_DIR"], f"cantal.{os.getpid()}")
    return f"/tmp/cantal.{os.getuid()}.{os.getpid()}"


class _Metric:
    kind = ""

    def __init__(self, labels, size=_WORD):
        self.labels = labels
        self.size = size
        # add() reads and writes: two threads must not do so at once. The store itself needs no lock.
        self._lock = threading.Lock()
        self._attach(memoryview(bytearray(size)))

    def _attach(self, field):
        # An item of a cast view is stored as one machine word, where slices may be copied byte by byte.
        self._field = field
        self._word = field[:_WORD].cast(self._code)

    def _detach(self):
        own = memoryview(bytearray(self._field))
        self._word.release()
        self._field.release()
        self._attach(own)


class _Number(_Metric):
    def __init__(self, **labels):
        super().__init__(labels)

    @property
    def value(self):
        return self._word[0]

    def set(self, value):
        """ValueError where the value does not fit."""
        self._word[0] = value


class Counter(_Number):
    """A count that only grows; wraps at 2**64."""

    kind, _code = "counter", "Q"

    def add(self, by=1):
        if by < 0:
            raise ValueError("a counter never falls")
        with self._lock:
            self._word[0] = (self._word[0] + by) & 0xFFFF_FFFF_FFFF_FFFF


class Integer(_Number):
    """A whole number from -2**63 to 2**63 - 1."""

    kind, _code = "signed", "q"

    def add(self, by):
        with self._lock:
            self._word[0] += by


class Float(_Number):
    """A number of double precision; NaN is shown as missing."""

    kind, _code = "float", "d"

    def add(self, by):
        with self._lock:
            self._word[0] += by


class State(_Metric):
    """What the program does now, as text, and since when; where counted, also how often and for how long (ms).

        with state.context("waiting for the database"):
            ...
    """

    kind, _code = "state", "Q"

    def __init__(self, size=64, count=None, duration=None, **labels):
        self._since = 0
        self._count, self._duration = count, duration
        super().__init__(labels, max(size, _WORD + 1))
        self.size = size

    def enter(self, text, now_ms=None):
        """Returns False where the text was cut, which happens between characters."""
        now = int(time.time() * 1000) if now_ms is None else now_ms
        self.leave(now)
        self._since = now
        if self._count is not None:
            self._count.add()
        encoded = text.encode("utf-8", "replace")
        room = len(self._field) - _WORD
        kept = encoded if len(encoded) <= room else encoded[:room].decode("utf-8", "ignore").encode()
        # The text first: the reader takes a state whose time stays the same for whole.
        self._field[_WORD:] = kept + bytes(room - len(kept))
        self._word[0] = now
        return len(kept) == len(encoded)

    def leave(self, now_ms=None):
        now = int(time.time() * 1000) if now_ms is None else now_ms
        if self._since and self._duration is not None:
            self._duration.add(max(0, now - self._since))
        self._since = 0
        self._word[0] = 0

    def context(self, text):
        return _Entered(self, text)


class _Entered:
    def __init__(self, state, text):
        self._state, self._text = state, text

    def __enter__(self):
        self._state.enter(self._text)
        return self._state

    def __exit__(self, *_):
        self._state.leave()


class _Exported:
    def __init__(self, path, metrics, offsets, size, meta):
        self.path = path
        self._metrics = metrics
        self._owner = os.getpid()
        self._open = True
        folder = os.path.dirname(path)
        if folder:
            os.makedirs(folder, exist_ok=True)
        self._remove()
        # 0644: cantal may run as a user of its own, and the numbers are no secret.
        fd = os.open(path + ".tmp", os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)
        try:
            # Allocated at once: a full tmpfs is an error here, where a store into a hole would end the process.
            os.posix_fallocate(fd, 0, max(size, 1))
            os.ftruncate(fd, size)
            self._map = mmap.mmap(fd, max(size, 1)) if size else None
        finally:
            os.close(fd)
        if self._map is not None:
            view = memoryview(self._map)
            for metric, offset in zip(metrics, offsets):
                field = view[offset : offset + metric.size]
                field[:] = metric._field
                metric._attach(field)
            view.release()
        os.rename(path + ".tmp", path + ".values")
        with open(path + ".tmp", "w", encoding="utf-8") as file:
            file.write(meta)
        os.chmod(path + ".tmp", 0o644)
        os.rename(path + ".tmp", path + ".meta")
        atexit.register(self.close)

    def _remove(self):
        for suffix in (".meta", ".values"):
            try:
                os.unlink(self.path + suffix)
            except FileNotFoundError:
                pass

    def close(self):
        """Removes the files; the metrics go on in memory. So does the end of the process, not that of a forked child."""
        if not self._open or os.getpid() != self._owner:
            return
        self._open = False
        atexit.unregister(self.close)
        for metric in self._metrics:
            metric._detach()
        if self._map is not None:
            self._map.close()
        self._remove()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def export(metrics, path=None):
    """Makes the files, PATH.values before PATH.meta; from then on the metrics live in the mapped one.

    TypeError for labels that are no texts or repeat, ValueError for more than cantal reads, OSError of the files.
    """
    metrics = list(metrics)
    meta, offsets, size = layout([(metric.kind, metric.size, metric.labels) for metric in metrics])
    return _Exported(default_path() if path is None else path.rstrip("/"), metrics, offsets, size, meta)
