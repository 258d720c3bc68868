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
need make build-essential
need openssl openssl
need curl curl
need kill procps
need redis-server redis-server
need redis-cli redis-tools
# Debian keeps PostgreSQL's programs off the path. Tests start servers of their own; none has to run.
for program in initdb postgres psql; do
    compgen -G "/usr/lib/postgresql/*/bin/$program" >/dev/null || need "$program" postgresql
done
if [ "${#missing[@]}" -gt 0 ]; then
    run=()
    [ "$(id -u)" -eq 0 ] || run=(sudo)
    "${run[@]}" apt-get update -qq
    "${run[@]}" apt-get install -y -qq "${missing[@]}"
fi

cargo fmt --all --check
cargo clippy --workspace --all-targets --locked -- -D warnings
# The stories are told twice: on SQLite with everything else, and on PostgreSQL; what chooses its database
# itself is told once.
if cargo nextest --version >/dev/null 2>&1; then
    cargo nextest run --workspace --locked --no-fail-fast
    FRONTDESK_TEST_STORE=postgres cargo nextest run -p frontdesk --test it --locked --no-fail-fast \
        -E 'not (test(kill::) or test(replicas::) or test(simulation::) or test(handover::) or test(logs::) or test(deploy::) or test(manual::) or test(otlp::))'
else
    cargo test --workspace --locked --no-fail-fast
    FRONTDESK_TEST_STORE=postgres cargo test -p frontdesk --test it --locked --no-fail-fast -- \
        --skip kill:: --skip replicas:: --skip simulation:: --skip handover:: \
        --skip logs:: --skip deploy:: --skip manual:: --skip otlp::
fi
# The one feature: linted as a whole, and told by its own stories. Everything else is told without it.
cargo clippy -p frontdesk --all-targets --features otlp --locked -- -D warnings
if cargo nextest --version >/dev/null 2>&1; then
    cargo nextest run -p frontdesk --test it --features otlp --locked --no-fail-fast -E 'test(otlp::)'
else
    cargo test -p frontdesk --test it --features otlp --locked --no-fail-fast -- otlp::
fi
RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --locked --document-private-items --quiet
