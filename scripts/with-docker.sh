#!/usr/bin/env bash
# with-docker.sh COMMAND...: runs COMMAND where `docker compose` works, and cleans up after it.
#
# A docker engine that answers is used as it is. Where none does, root on Debian gets one for as long as COMMAND runs: the
# packages it lacks are installed and stay, everything else (images, containers, logs, sockets) lies in a folder that goes away again,
# as do the network devices and firewall rules that an engine makes. Such an engine is without an image registry: BASE_IMAGE names an
# image that is put together from this machine's files.
#
# COMMAND finds DOCKER_HOST, DOCKER_CONFIG and BASE_IMAGE in its environment as far as they are needed, COMPOSE_PROJECT_NAME, a name of this
# run alone, and GODWIT_NO_DOCKER, a sentence, where there can be no engine: what becomes of it then is COMMAND's to say.
#
# Invariant: however it ends, but for SIGKILL, no container, network or volume of the project is left, and no engine that it
# started. What a killed one left is removed by the next.
set -uo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
export COMPOSE_PROJECT_NAME=${COMPOSE_PROJECT_NAME:-godwit-$$}
# Short: the paths of unix sockets go below it, and they may have 107 bytes.
folder=${TMPDIR:-/tmp}/gwd-$$
owned=
command=

# What is going on, for whoever waits; on stderr, since COMMAND may have something to say to a program.
say() { echo "docker: $*" >&2; }

timed() {
  local what=$1 began=$EPOCHREALTIME
  shift
  "$@" || return
  say "$what ($(((${EPOCHREALTIME/./} - ${began/./}) / 1000)) ms)"
}

answers() { docker info >/dev/null 2>&1 && docker compose version >/dev/null 2>&1; }

# Prints why no engine can be started here; nothing when one can.
why_not() {
  if docker info >/dev/null 2>&1; then
    echo 'a docker engine answers, and docker compose does not: install its plugin, version 2.20 or newer'
  elif [ "$(id -u)" != 0 ]; then
    echo 'no docker engine answers, and only root could start one'
  elif ! command -v apt-get >/dev/null || [ ! -e /etc/debian_version ]; then
    echo 'no docker engine answers, and one is only installed on Debian'
  elif ! awk '$3 ~ /^cgroup2?$/ { found = 1 } END { exit !found }' /proc/mounts; then
    echo 'no docker engine answers, and none could run here: there are no control groups'
  elif [ -e /sys/class/net/docker0 ]; then
    echo 'no docker engine answers here, but the network of one is up: set DOCKER_HOST to where it listens'
  fi
}

# Compose 2 and buildx, as plugins of this engine's own configuration. Debian has them from release 13 on; its packages hold one
# static binary each, so they are only unpacked.
plugins() {
  local apt=$folder/apt mirror
  mkdir -p "$DOCKER_CONFIG/cli-plugins"
  ! docker compose version >/dev/null 2>&1 || return 0
  mirror=$(awk '/^URIs:/ { print $2; exit }' /etc/apt/sources.list.d/debian.sources 2>/dev/null)
  mkdir -p "$apt/lists/partial" "$apt/cache/archives/partial"
  echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] ${mirror:-http://deb.debian.org/debian} trixie main" >"$apt/sources.list"
  local options=(
    -o "Dir::Etc::sourcelist=$apt/sources.list" -o "Dir::Etc::sourceparts=$apt/none"
    -o "Dir::State::lists=$apt/lists" -o "Dir::Cache=$apt/cache" -o APT::Sandbox::User=root
  )
  (
    cd "$apt" || exit
    apt-get "${options[@]}" update -qq && apt-get "${options[@]}" download -qq docker-compose/trixie docker-buildx/trixie || exit
    for package in *.deb; do dpkg-deb -x "$package" unpacked || exit; done
    cp unpacked/usr/libexec/docker/cli-plugins/* "$DOCKER_CONFIG/cli-plugins/"
  ) >/dev/null 2>"$folder/apt.log" || { tail -3 "$folder/apt.log" >&2; return 1; }
  rm -rf "$apt"
}

engine() {
  sysctl -n net.ipv4.ip_forward >"$folder/ip_forward.was"
  iptables -S FORWARD | head -1 >"$folder/forward.was"
  setsid dockerd --data-root "$folder/data" --exec-root "$folder/exec" -H "$DOCKER_HOST" --pidfile "$folder/docker.pid" \
    --mtu 1400 >"$folder/dockerd.log" 2>&1 </dev/null &
  local pid=$!
  for _ in $(seq 300); do
    ! docker info >/dev/null 2>&1 || return 0
    kill -0 $pid 2>/dev/null || break
    sleep 0.1
  done
  tail -5 "$folder/dockerd.log" >&2
  return 1
}

# Node, the libraries it needs, busybox, npm and the certificates that this machine trusts: what `node:22-bookworm-slim` is to the Dockerfile.
base_image() {
  local root=$folder/root node npm each
  node=$(node -e 'import(process.argv[1]).then(({ ltsNodePath }) => console.log(ltsNodePath() ?? process.execPath))' "$here/lts-node.mjs")
  npm=$(dirname "$(dirname "$(readlink -f "$(command -v npm)")")")
  mkdir -p "$root"/{usr/local/bin,usr/local/lib/node_modules,usr/bin,bin,etc/ssl/certs,tmp,root,proc,sys,dev,run,home/node}
  chmod 755 "$root"
  chmod 1777 "$root/tmp"
  install -m755 "$node" "$root/usr/local/bin/node"
  ldd "$node" | grep -oE '/[^ ]+' | while read -r each; do install -D "$each" "$root$each"; done
  # Loaded only when a name is looked up, so ldd does not show them; the last is there for whatever was linked before glibc 2.34, as Vite's binaries are.
  for each in $(ldd "$node" | grep -oE '/[^ ]+/libc\.so\.6'); do
    cp "$(dirname "$each")"/{libnss_files.so.2,libnss_dns.so.2,libresolv.so.2,librt.so.1} "$root$(dirname "$each")/"
  done
  install -m755 "$(command -v busybox)" "$root/bin/busybox"
  for each in $("$root/bin/busybox" --list); do [ -e "$root/bin/$each" ] || ln -s busybox "$root/bin/$each"; done
  ln -s /bin/env "$root/usr/bin/env"
  cp -a "$npm" "$root/usr/local/lib/node_modules/npm"
  for each in npm npx; do ln -s "../lib/node_modules/npm/bin/$each-cli.js" "$root/usr/local/bin/$each"; done
  cp /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/"
  printf 'root:x:0:0:root:/root:/bin/sh\nnode:x:1000:1000::/home/node:/bin/sh\n' >"$root/etc/passwd"
  printf 'root:x:0:\nnode:x:1000:\n' >"$root/etc/group"
  printf 'hosts: files dns\n' >"$root/etc/nsswitch.conf"
  chown -R 1000:1000 "$root/home/node"
  tar -C "$root" -c . | docker import -c 'ENV PATH=/usr/local/bin:/usr/bin:/bin NODE_EXTRA_CA_CERTS=/etc/ssl/certs/ca-certificates.crt' \
    -c 'CMD ["node"]' - "$BASE_IMAGE" >/dev/null || return
  rm -rf "$root"
}

start_engine() {
  mkdir -p "$folder"
  owned=$folder
  export DOCKER_HOST=unix://$folder/docker.sock DOCKER_CONFIG=$folder/config BASE_IMAGE=godwit-base
  timed 'packages are there' node "$here/install-packages.mjs" docker >&2 && timed 'compose is there' plugins &&
    timed 'an engine answers' engine && timed 'a base image is there' base_image
}

# Rules and chains that an engine made in the tables of iptables or ip6tables; those of its networks went with them.
remove_rules() {
  local tables=$1 table rule chain
  for table in nat filter; do
    "$tables" -t $table -S 2>/dev/null | grep -E '^-A' | grep -E 'DOCKER|docker0' | sed 's/^-A/-D/' |
      while read -r rule; do eval "$tables -t $table $rule" 2>/dev/null; done
    for chain in $("$tables" -t $table -S 2>/dev/null | awk '/^-N DOCKER/ { print $2 }'); do "$tables" -t $table -F "$chain"; done
    for chain in $("$tables" -t $table -S 2>/dev/null | awk '/^-N DOCKER/ { print $2 }'); do "$tables" -t $table -X "$chain"; done
  done
}

# Those of the engine, and those in its containers, whose root is an overlay of folders of the engine: what a build runs is nobody's child once
# the engine is told to end.
processes_below() {
  grep -lsaF "$1/" /proc/[0-9]*/cmdline | cut -d/ -f3
  grep -lsE "^[^ ]+ [^ ]+ [^ ]+ [^ ]+ / .*$1/" /proc/[0-9]*/mountinfo 2>/dev/null | cut -d/ -f3
}

# stop_engine FOLDER
stop_engine() {
  local at=$1 pid each
  pid=$(cat "$at/docker.pid" 2>/dev/null) && kill "$pid" 2>/dev/null
  for _ in $(seq 200); do
    { [ -n "$pid" ] && kill -0 "$pid" 2>/dev/null; } || break
    sleep 0.1
  done
  # containerd and its shims, where the engine did not end in order.
  for each in $(processes_below "$at"); do [ "$each" = $$ ] || kill -KILL "$each" 2>/dev/null; done
  awk -v below="$at/" 'index($2, below) == 1 { print $2 }' /proc/mounts | sort -r | while read -r each; do umount -l "$each"; done
  for each in $(ip -o link show type bridge | grep -oE '(docker0|br-[0-9a-f]{12})'); do
    # A cable goes with the network at its other end, but not at once.
    ip -o link show master "$each" | grep -oE 'veth[0-9a-f]+' | while read -r cable; do ip link del "$cable" 2>/dev/null; done
    ip link del "$each"
  done
  remove_rules iptables
  remove_rules ip6tables
  if [ -s "$at/forward.was" ]; then iptables $(cat "$at/forward.was"); fi
  if [ -s "$at/ip_forward.was" ]; then sysctl -qw "net.ipv4.ip_forward=$(cat "$at/ip_forward.was")"; fi
  rm -rf "$at"
}

remove_leftovers() {
  local each
  for each in "${TMPDIR:-/tmp}"/gwd-*; do
    [ -d "$each" ] && [ ! -d "/proc/${each##*-}" ] || continue
    say "removing what a killed run left in $each"
    stop_engine "$each"
  done
}

clean_up() {
  trap '' INT TERM HUP
  [ -z "$command" ] || kill "$command" 2>/dev/null && wait "$command" 2>/dev/null
  if [ -z "${GODWIT_NO_DOCKER:-}" ]; then
    local mine=(--filter "label=com.docker.compose.project=$COMPOSE_PROJECT_NAME")
    docker ps -aq "${mine[@]}" | xargs -r docker rm -fv >/dev/null
    docker network ls -q "${mine[@]}" | xargs -r docker network rm >/dev/null
    docker volume ls -q "${mine[@]}" | xargs -r docker volume rm >/dev/null
  fi
  [ -z "$owned" ] || timed 'the engine is gone' stop_engine "$owned"
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
trap 'exit 129' HUP

[ $# -gt 0 ] || { echo 'usage: with-docker.sh COMMAND...' >&2; exit 2; }
if ! answers; then
  remove_leftovers
  reason=$(why_not)
  if [ -z "$reason" ]; then
    start_engine || reason='no docker engine answers, and none could be started'
  fi
  [ -z "$reason" ] || export GODWIT_NO_DOCKER=$reason
fi
# Waited for in the background, since bash hears no signal while a command is in front.
"$@" <&0 &
command=$!
wait "$command"
code=$?
command=
exit "$code"
