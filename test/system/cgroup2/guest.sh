#!/bin/sh
# Process 1 of a User Mode Linux whose root is this host's own (hostfs): everything that is written goes to file systems of
# its own. Runs the tests of limits on cgroup v2 and says how they ended.
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/tmp
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t tmpfs tmpfs /run
# The checkout may lie in /tmp, which is covered next.
mkdir /run/checkout
mount --bind "$STELLWERK_ROOT" /run/checkout
mount -t tmpfs tmpfs /tmp
mkdir -p "$STELLWERK_ROOT"
mountpoint -q "$STELLWERK_ROOT" || [ -e "$STELLWERK_ROOT/package.json" ] || mount --bind /run/checkout "$STELLWERK_ROOT"
mount -t devtmpfs dev /dev
mkdir -p /dev/pts /dev/shm
mount -t tmpfs shm /dev/shm
mount -t cgroup2 cgroup /sys/fs/cgroup
ip link set lo up
cd "$STELLWERK_ROOT" || halt -f -p
echo "GUEST STARTED"
"$STELLWERK_NODE_PROGRAM" node_modules/vitest/vitest.mjs run test/system/lithos-limits.test.ts --no-color
echo "GUEST ENDED WITH $?"
halt -f -p
