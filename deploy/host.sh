#!/bin/sh
# PID 1 of a host's container: `host.sh NAME FAULT_DOMAIN [FLAGS OF THE AGENT...]`.
#
# It keeps an agent running. One that crashes is started again, and finds its workers where they are: they train on, and are adopted. That
# is why the agent is not PID 1 itself, whose end is the end of all.
#
# SIGTERM, which `docker stop` sends, first moves the host's jobs to others while they train, then ends the agent, and with it the workers that
# could not leave. All within the container's grace period, after which comes SIGKILL; so the first part gets no more than
# GODWIT_EVACUATION_S seconds.
#
# Waiting for a child takes note of every process that ends and is nobody's, as PID 1 must.
set -u
name=$1 fault_domain=$2
shift 2
export GODWIT_COORDINATOR=wss://coordinator:7070
# What the agent says on stdout: one line, once it has registered. The health check reads it.
said=${TMPDIR:-/tmp}/agent
agent=
leaving=
left=

say() { echo "host $name: $*" >&2; }

start_agent() {
  : >"$said"
  GODWIT_JOIN_TOKEN_FILE=/run/godwit/join-token node packages/agent/dist/main.mjs \
    --name "$name" --fault-domain "$fault_domain" --data-dir /var/lib/godwit --coordinator "$GODWIT_COORDINATOR" "$@" >"$said" &
  agent=$!
}

# In the background: the agent, which is needed for it, is looked after meanwhile.
evacuate() {
  [ -z "$leaving" ] || return 0
  leaving=yes
  {
    timeout "${GODWIT_EVACUATION_S:-45}" sh deploy/maintenance.sh enter "$name" ||
      say 'not all of its jobs could leave: those that are here end with it, and are restarted from their checkpoints when it is back'
    kill -USR1 $$
  } &
}
trap evacuate TERM INT
trap 'left=yes; kill -TERM "$agent" 2>/dev/null' USR1

# Where its jobs left for the sake of a stop, it takes jobs again.
{
  until grep -qs registered "$said"; do sleep 1; done
  sh deploy/maintenance.sh exit "$name"
} &

# Seconds from 1 to 30 between a crash and the next start; 1 again once an agent has lived for a minute.
pause_s=1
while :; do
  began=$(date +%s)
  start_agent "$@"
  # A signal cuts a wait short.
  while kill -0 "$agent" 2>/dev/null; do
    wait "$agent"
    code=$?
  done
  [ -z "$left" ] || exit "$code"
  [ $(($(date +%s) - began)) -lt 60 ] || pause_s=1
  say "the agent ended ($code) and is started again in $pause_s s; its workers train on"
  sleep "$pause_s" &
  wait $!
  [ -z "$left" ] || exit 0
  pause_s=$((pause_s * 2 < 30 ? pause_s * 2 : 30))
done
