#!/usr/bin/env bash
# GNU timeout (coreutils 9.1, Debian 12) sends its signal twice to the command that it runs: once to the command, and once to the process group, which the
# command is a member of. With SIGTERM the two often look like one, because a pending signal is not counted; with a real-time signal both are seen.
# With --foreground there is one. Expected before it was run: one signal each.
#
# Why it matters: many programs take a second SIGTERM for "stop at once" and leave their output unfinished. An agent that has `timeout` in front hears two at
# the end of its time; `time_limit` of its task type, or `timeout --foreground`, sends one.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
apt-get download -qq coreutils=9.1-1 >/dev/null
dpkg-deb -x coreutils_*.deb tree
timeout=$folder/tree/usr/bin/timeout
"$timeout" --version | head -n 1

cat >count.py <<'PROGRAM'
import os, signal, time
wanted = signal.SIGRTMIN + 1
signal.pthread_sigmask(signal.SIG_BLOCK, [wanted])
senders, end = [], time.monotonic() + 2
while time.monotonic() < end:
    if told := signal.sigtimedwait([wanted], 0.2):
        senders.append(told.si_pid)
assert all(sender == os.getppid() for sender in senders), senders
print(len(senders))
PROGRAM

plain=$("$timeout" -s RTMIN+1 0.5 python3 count.py || [ $? = 124 ])
foreground=$("$timeout" --foreground -s RTMIN+1 0.5 python3 count.py || [ $? = 124 ])
echo "signals that the command got from timeout: $plain; with --foreground: $foreground"
[ "$plain" = 2 ] && [ "$foreground" = 1 ]
