#!/usr/bin/env bash
# Installs the Debian packages among the arguments that are missing: config/install-packages.sh PACKAGE...
#
# Not root: prints the command to run and fails. Root: installs, without starting or enabling the services that some
# packages bring (named, prometheus and others). These are wanted as programs; a name server that suddenly answers on port 53,
# now or after the next boot, is not.
set -euo pipefail

# Units that Debian enables and starts when it installs the packages of this project.
readonly SERVICES=(avahi-daemon.service avahi-daemon.socket knot.service named.service pdns.service prometheus.service victoria-metrics.service)
# Debian asks this program before it starts a service from a package; exit code 101 means "do not".
readonly POLICY=/usr/sbin/policy-rc.d

fail() {
    printf 'error: %s\n' "$*" >&2
    exit 1
}

installed() {
    [[ $(dpkg-query --show --showformat='${db:Status-Status}' "$1" 2>/dev/null) == installed ]]
}

unit_exists() {
    [[ -e /lib/systemd/system/$1 || -e /usr/lib/systemd/system/$1 || -e /etc/systemd/system/$1 ]]
}

missing=()
for package in "$@"; do
    installed "$package" || missing+=("$package")
done
((${#missing[@]})) || exit 0
install="apt-get install --no-install-recommends ${missing[*]}"

command -v apt-get >/dev/null || fail "not a Debian system; please install what these packages hold: ${missing[*]}"
((EUID == 0)) || fail "packages are missing; as root, run: $install"

own_policy=
new_services=()
for service in "${SERVICES[@]}"; do
    unit_exists "$service" || new_services+=("$service")
done

# Also when the installation fails halfway.
finish() {
    local service
    [[ -z $own_policy ]] || rm -f "$POLICY"
    for service in "${new_services[@]}"; do
        if unit_exists "$service" && command -v systemctl >/dev/null; then
            systemctl disable --quiet "$service" || echo "warning: $service is new and could not be disabled" >&2
            echo "left $service disabled; \`systemctl enable --now $service\` makes it a service of this machine"
        fi
    done
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

if [[ -e $POLICY ]]; then
    answer=0
    "$POLICY" named start >/dev/null 2>&1 || answer=$?
    [[ $answer == 101 ]] || fail "$POLICY lets packages start services; please run it yourself: $install"
else
    own_policy=yes
    printf '#!/bin/sh\nexit 101\n' >"$POLICY"
    chmod 755 "$POLICY"
fi

echo "installing ${missing[*]}"
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
apt-get install -qq -y --no-install-recommends "${missing[@]}" >/dev/null
