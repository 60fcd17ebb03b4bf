#!/usr/bin/env bash
# The main job, tried out: bash config/demo.sh
#
# Builds srvctl, starts a private BIND on a free loopback port from config/ and zones/, starts the daemon, waits until
# the example services are published and verified, and shows the targets that Prometheus would discover. Everything
# lives in one temporary directory. Ctrl-C stops both programs and removes it. A BIND of this machine is not touched.
#
# SRVCTL_DEMO_ONCE=1 ends with exit code 0 after the table instead of staying up.
set -euo pipefail

readonly PUBLISH_SECONDS=60 # to publish and verify four records; it takes one or two
readonly BIND_SECONDS=10

repository=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# Debian leaves /usr/sbin out of other users' PATH, and rustup's line in .profile needs a new login.
PATH=$PATH:/usr/sbin:/sbin:${CARGO_HOME:-$HOME/.cargo}/bin

dir=
named_pid=
daemon_pid=

say() {
    printf '%s\n' "$*"
}

fail() {
    printf 'error: %s\n' "$*" >&2
    show_logs >&2
    exit 1
}

show_logs() {
    local log
    for log in named.log srvctl.log verify.err; do
        [[ -n $dir && -s $dir/$log ]] || continue
        printf -- '--- the end of %s:\n' "$log"
        tail -n 20 "$dir/$log"
    done
}

alive() {
    kill -0 "$1" 2>/dev/null
}

# TERM, and KILL for what is still there after five seconds.
stop() {
    local pid=$1 tenths
    [[ -n $pid ]] || return 0
    kill "$pid" 2>/dev/null || true
    for ((tenths = 0; tenths < 50; tenths++)); do
        alive "$pid" || break
        sleep 0.1
    done
    kill -KILL "$pid" 2>/dev/null || true
    wait "$pid" 2>/dev/null || true
}

# shellcheck disable=SC2317 # reached through the trap
clean_up() {
    trap '' INT TERM HUP
    stop "$daemon_pid"
    stop "$named_pid"
    [[ -z $dir ]] || rm -rf "$dir"
}

install_programs() {
    command -v cargo >/dev/null || fail "cargo is missing. Install Rust from https://rustup.rs
(Debian's own package is too old for this project), then run this again."
    if ! command -v named >/dev/null || ! command -v tsig-keygen >/dev/null || ! command -v cc >/dev/null; then
        bash "$repository/config/install-packages.sh" bind9 gcc libc6-dev
    fi
}

build() {
    say "building srvctl (the first time takes some minutes)"
    # From inside the repository, so that its toolchain and cargo settings apply. Not the release profile: that takes
    # minutes more, to publish six records, and the tests use what is built here again.
    (cd "$repository" && cargo build --locked)
    srvctl=${CARGO_TARGET_DIR:-$repository/target}/debug/srvctl
    [[ $srvctl == /* ]] || srvctl=$repository/$srvctl
    [[ -x $srvctl ]] || fail "cargo built no $srvctl"
}

# A directory of our own with the shipped files, a fresh key, and this run's paths instead of the system's.
prepare() {
    umask 077
    dir=$(mktemp -d "${TMPDIR:-/tmp}/srvctl-demo.XXXXXX")
    cp -R "$repository/config/." "$dir"
    cp -R "$repository/zones" "$dir/zones"
    chmod -R u+w "$dir"
    tsig-keygen -a hmac-sha256 srvctl >"$dir/internal.local.key"
    sed -i -e "s|\"/var/lib/srvctl\"|\"$dir/state\"|" -e "s|\"/run/srvctl/|\"$dir/|" "$dir/srvctl.toml"
    mkdir "$dir/state"
    # Not the port of a srvctl of this machine. Should somebody have this one, the zone is polled.
    local notify=$((30000 + RANDOM % 2000))
    sed -i "s|127\.0\.0\.1:5301|127.0.0.1:$notify|" "$dir/srvctl.toml"
    sed -i '/^listen = "127\.0\.0\.1:5302"/d' "$dir/srvctl.toml"
    sed -i "s|127\.0\.0\.1 port 5301|127.0.0.1 port $notify|" "$dir/named.conf"

    # Where AppArmor is on, Debian's profile for /usr/sbin/named lets it read /etc/bind but not this directory. The
    # profile belongs to the path, so run a copy.
    named=$(command -v named)
    if [[ -e /sys/kernel/security/apparmor || $(cat /sys/module/apparmor/parameters/enabled 2>/dev/null) == Y ]]; then
        cp "$named" "$dir/named"
        named=$dir/named
    fi
}

# Tries ports until BIND got one: looking for a free one first could lose it again before BIND binds it.
start_bind() {
    local try tenths
    for ((try = 0; try < 10; try++)); do
        port=$((20000 + RANDOM % 10000))
        (cd "$dir" && exec "$named" -g -c named.conf -p "$port") >"$dir/named.log" 2>&1 &
        named_pid=$!
        for ((tenths = 0; tenths < BIND_SECONDS * 10; tenths++)); do
            alive "$named_pid" || break
            ! grep -q 'address in use' "$dir/named.log" || break
            if grep -q ' running$' "$dir/named.log"; then
                sed -i "s|\"127\.0\.0\.1:53\"|\"127.0.0.1:$port\"|" "$dir/srvctl.toml"
                return
            fi
            sleep 0.1
        done
        grep -q 'address in use' "$dir/named.log" || fail "BIND did not start"
        stop "$named_pid"
        named_pid=
    done
    fail "no free port found for BIND"
}

start_daemon() {
    "$srvctl" daemon --config "$dir/srvctl.toml" >"$dir/srvctl.log" 2>&1 &
    daemon_pid=$!
}

wait_until_published() {
    local started=$SECONDS code
    while true; do
        alive "$named_pid" || fail "BIND ended"
        alive "$daemon_pid" || fail "the daemon ended"
        code=0
        "$srvctl" verify --config "$dir/srvctl.toml" >"$dir/verify.out" 2>"$dir/verify.err" || code=$?
        ((code != 0)) || break
        if ((SECONDS - started >= PUBLISH_SECONDS)); then
            cat "$dir/verify.out" >&2
            fail "not published after $PUBLISH_SECONDS s (\`srvctl verify\` exits with $code)"
        fi
        [[ ! -t 1 ]] || printf '\rwaiting until the services are published and verified: %d s ' $((SECONDS - started))
        sleep 0.5
    done
    [[ ! -t 1 ]] || printf '\r\033[K'
}

show_targets() {
    say "published and verified:"
    say
    cat "$dir/verify.out"
}

show_what_runs() {
    local config="--config $dir/srvctl.toml"
    cat <<TEXT

Running until Ctrl-C:
  BIND    127.0.0.1:$port, zone internal.local, log $dir/named.log
  srvctl  daemon, log $dir/srvctl.log
  files   $dir

In another shell:
  $srvctl status $config
  $srvctl dig _jenkins._tcp.internal.local. SRV @127.0.0.1:$port
  sed -i 's/port = 9100/port = 9101/' $dir/services.d/node-exporter.toml
  $srvctl plan $config        # the difference, until the daemon has made it
  $srvctl verify $config
TEXT
}

stay_up() {
    local code=0 who=srvctl
    trap 'exit 0' INT TERM HUP # from here on, being stopped is the normal end
    wait -n "$named_pid" "$daemon_pid" || code=$?
    alive "$named_pid" || who=BIND
    fail "$who ended with exit code $code"
}

trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

install_programs
build
prepare
start_bind
start_daemon
wait_until_published
show_targets
[[ ${SRVCTL_DEMO_ONCE:-} != 1 ]] || exit 0
show_what_runs

stay_up
