"""A shell with job control at a terminal of its own: types, and waits for what is to appear.

The script on stdin is JSON: a list of ["expect", TEXT], ["type", TEXT], ["repeat", TEXT, EXPECTED]. The argument vector is
the shell. Ends with 0 once the script is through; otherwise with 1 and all that the terminal showed.
"""

import fcntl
import json
import os
import pty
import select
import struct
import sys
import termios
import time

DEADLINE_S = 60

script = json.load(sys.stdin)
pid, terminal = pty.fork()
if pid == 0:
    fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    os.execvp(sys.argv[1], sys.argv[1:])

shown = b""
seen = 0


def read(seconds):
    global shown
    if select.select([terminal], [], [], seconds)[0]:
        try:
            shown += os.read(terminal, 65536)
        except OSError:
            pass


def give_up(what):
    sys.stderr.write("waited in vain for %r; the terminal showed:\n%s\n" % (what, shown.decode(errors="replace")))
    os.kill(pid, 9)
    sys.exit(1)


for action, text, *more in script:
    if action == "type":
        os.write(terminal, text.encode())
        continue
    wanted = (more[0] if action == "repeat" else text).encode()
    end = time.monotonic() + DEADLINE_S
    typed = 0
    while wanted not in shown[seen:]:
        if time.monotonic() > end:
            give_up(wanted)
        if action == "repeat" and time.monotonic() - typed > 0.5:
            os.write(terminal, text.encode())
            typed = time.monotonic()
        read(0.1)
    seen = shown.index(wanted, seen) + len(wanted)

os.kill(pid, 1)
os.close(terminal)
