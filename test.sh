#!/usr/bin/env bash
# Everything that has to pass, on a fresh Debian or Ubuntu machine with Rust.
set -euo pipefail
cd "$(dirname "$0")"

need() { # command, package
    # A program, not a word of the shell: tests start it themselves.
    type -P "$1" >/dev/null 2>&1 || missing+=("$2")
}
missing=()
need cc build-essential
need openssl openssl
need curl curl
need kill procps
need redis-server redis-server
need redis-cli redis-tools
if [ "${#missing[@]}" -gt 0 ]; then
    run=()
    [ "$(id -u)" -eq 0 ] || run=(sudo)
    "${run[@]}" apt-get update -qq
    "${run[@]}" apt-get install -y -qq "${missing[@]}"
fi

cargo fmt --all --check
cargo clippy --workspace --all-targets --locked -- -D warnings
if cargo nextest --version >/dev/null 2>&1; then
    cargo nextest run --workspace --locked --no-fail-fast
else
    cargo test --workspace --locked --no-fail-fast
fi
RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --locked --document-private-items --quiet
