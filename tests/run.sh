#!/usr/bin/env bash
# Everything that must pass: bash tests/run.sh
#
# Formatting, lints, documentation, tests (with real BINDs and a real Prometheus on ports and directories of their
# own), and the shipped configuration files and alerts. Root installs missing Debian packages; others are told what to
# install.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
# Debian leaves /usr/sbin out of other users' PATH, and rustup's line in .profile needs a new login.
export PATH=$PATH:/usr/sbin:/sbin:${CARGO_HOME:-$HOME/.cargo}/bin

step() {
    printf '==> %s\n' "$*"
}

fail() {
    printf 'error: %s\n' "$*" >&2
    exit 1
}

step "programs"
command -v cargo >/dev/null ||
    fail "cargo is missing. Install Rust from https://rustup.rs (Debian's own package is too old for this project)."
for component in fmt clippy; do
    cargo "$component" --version >/dev/null || fail "run: rustup component add rustfmt clippy"
done
mapfile -t packages < <(grep -v '^#' tests/packages.txt)
bash config/install-packages.sh "${packages[@]}"

step "formatting"
cargo fmt --check

step "lints"
cargo clippy --locked --all-targets -- -D warnings

step "fuzz targets"
cargo check --manifest-path fuzz/Cargo.toml --target-dir target --locked --no-default-features

step "documentation"
RUSTDOCFLAGS=-Dwarnings cargo doc --locked --no-deps --document-private-items

# Most of the time of a test is waiting for what other programs do.
step "tests"
RUST_TEST_THREADS=${RUST_TEST_THREADS:-$(($(nproc) * 2))} cargo test --locked

step "shell scripts"
shellcheck config/*.sh tests/*.sh .ci/run

# The shipped files, laid out as they are used: beside a key.
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP
cp -R config/. "$dir"
cp -R zones "$dir/zones"
(umask 077 && tsig-keygen -a hmac-sha256 srvctl >"$dir/internal.local.key")

step "BIND accepts config/named.conf and zones/internal.local.zone"
(cd "$dir" && named-checkconf named.conf)
named-checkzone -q internal.local zones/internal.local.zone

step "Prometheus accepts config/prometheus/prometheus.yml"
promtool check config "$dir/prometheus/prometheus.yml"

step "the alerts of config/prometheus/srvctl.rules.yml fire when they shall"
promtool check rules "$dir/prometheus/srvctl.rules.yml"
promtool test rules "$dir/prometheus/srvctl.rules.test.yml"

step "srvctl accepts config/srvctl.toml and config/services.d"
cargo run --quiet --locked -- check --config "$dir/srvctl.toml"

# Ports differ from run to run, and are as long as one another.
step "the README's first command shows what the README shows"
without_port() {
    sed -E 's/127\.0\.0\.1:[0-9]{5}/127.0.0.1:PORT/'
}
sed -n '/<!-- demo-output -->/,/<!-- \/demo-output -->/p' README.md | grep -v -e '^```' -e '^<!--' |
    without_port >"$dir/readme.txt"
SRVCTL_DEMO_ONCE=1 bash config/demo.sh | sed -n '/^published and verified:/,$p' | without_port >"$dir/demo.txt"
diff "$dir/readme.txt" "$dir/demo.txt"

step "all passed"
