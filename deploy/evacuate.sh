#!/bin/sh
# `evacuate.sh HOST`: moves the jobs that train on HOST to others, as the operator whose token hosts have. Exit code 1 when one is left.
exec node deploy/evacuate.mjs "$1"
