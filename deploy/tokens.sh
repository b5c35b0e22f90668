#!/bin/sh
# Makes the tokens that hosts need, into a volume that only they mount: one to join with, good for an hour, anew each time; and one to
# move jobs away with when the host is to stop, once. Runs to its end before the hosts start.
set -eu
umask 077
folder=/run/godwit
export GODWIT_COORDINATOR=wss://coordinator:7070

# make FILE ARGUMENTS...: whole or not at all.
make() {
  file=$1
  shift
  godwit --json --token-file /var/lib/godwit/admin-token token create "$@" |
    sed -n 's/.*"token":"\([^"]*\)".*/\1/p' >"$file.new"
  [ -s "$file.new" ] && mv "$file.new" "$file"
}

[ -s "$folder/operator-token" ] || make "$folder/operator-token" --role operator --name hosts --expires 3650d
make "$folder/join-token" --name hosts || {
  echo 'no new join token: hosts that are members already need none. If the token of the admin has expired:' >&2
  echo 'docker compose stop coordinator && docker compose run --rm coordinator godwit coordinator admin-token --data-dir /var/lib/godwit' >&2
}
