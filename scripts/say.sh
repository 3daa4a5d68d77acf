# shellcheck shell=bash
# Telling what is done and what failed; ./dev reads this file.

# Runs one part of a verb under its name, and says how long it took. The parts
# after a failed one run too, so that one run tells everything.
step() {
    local name=$1 began=$SECONDS outcome=passed
    shift
    say "$name"
    "$@" || outcome=FAILED
    say "$name: $outcome, $((SECONDS - began)) s"
    [ $outcome = passed ] || failed="${failed:+$failed, }$name"
}

say() {
    printf 'dev: %s\n' "$1" >&2
}

fail() {
    say "error: $1"
    exit 1
}

fail_with_log() {
    cat "$2" >&2
    fail "$1"
}
