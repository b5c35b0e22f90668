#!/bin/sh
# `maintenance.sh enter|exit HOST`, as the operator whose token hosts have.
#
# enter   moves the jobs of a host that is to stop to others; exit code 1 when one is left
# exit    once it is back: ends the maintenance that `enter` began, and no other; a person's is a person's to end
set -eu
mark=/var/lib/godwit/stopping
godwit() { command godwit --token-file /run/godwit/operator-token "$@"; }

is_open() { godwit --json maintenance status "$1" | grep -Eq '"phase":"(evacuating|evacuated)"'; }

case $1 in
enter)
  is_open "$2" || : >"$mark"
  # Jobs that nobody can take keep none of the others.
  godwit maintenance enter "$2" --force
  ;;
exit)
  [ -e "$mark" ] || exit 0
  if is_open "$2"; then godwit maintenance exit "$2"; fi
  rm "$mark"
  ;;
esac
