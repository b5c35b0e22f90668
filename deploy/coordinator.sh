#!/bin/sh
# A coordinator in a container. The first time it makes the cluster's authority: TLS is on from the first connection, and nobody has to
# do anything before. What `init` prints has a token in it and is not for a log: deploy/tokens.sh makes those that hosts need.
set -eu
folder=/var/lib/godwit
[ -e "$folder/authority.json" ] || godwit coordinator init --data-dir "$folder" --address coordinator >/dev/null
# In our place: it is PID 1, gets the signals, and has no children.
exec node packages/coordinator/dist/main.mjs --host 0.0.0.0 --port 7070 --data-dir "$folder"
