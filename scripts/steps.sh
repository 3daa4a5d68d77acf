# shellcheck shell=bash
# What the verbs of ./dev do, step by step; ./dev reads this file.

# libFuzzer on a stable toolchain: what cargo-fuzz asks of the compiler, but the
# address sanitizer, which code without unsafe hardly needs.
fuzz() {
    local folder=$1 target=$2 seconds=$3 host features="" dictionary=""
    host=$(rustc -vV | sed -n 's/^host: //p')
    ! grep -q "^$target = \[" "$folder/Cargo.toml" || features="--features $target"
    [ ! -e "$folder/$target.dict" ] || dictionary="-dict=$folder/$target.dict"
    mkdir -p "$folder/corpus/$target" "$folder/artifacts/$target"
    # With a target named, build scripts and macros are not instrumented.
    # shellcheck disable=SC2086 # lists of words
    RUSTFLAGS="--cfg fuzzing -C passes=sancov-module -C codegen-units=1 -C debug-assertions \
        -C llvm-args=-sanitizer-coverage-level=4 -C llvm-args=-sanitizer-coverage-inline-8bit-counters \
        -C llvm-args=-sanitizer-coverage-pc-table -C llvm-args=-sanitizer-coverage-trace-compares" \
        cargo run --quiet --release --manifest-path "$folder/Cargo.toml" --target "$host" \
        --bin "$target" $features -- "$folder/corpus/$target" $dictionary \
        -artifact_prefix="$folder/artifacts/$target/" -max_total_time="$seconds" -print_final_stats=1 -verbosity=0
}

rust_tests() {
    if has cargo-nextest; then
        unguarded cargo nextest run --locked "$@"
    else
        unguarded cargo test --locked "$@"
    fi
}

# The kit of every client; the TypeScript client's own tests run it too.
rust_conformance() {
    # Of the whole workspace, as the tests are: the same features, so nothing is built twice.
    unguarded cargo build --locked --quiet --workspace --example conformance_driver
    local driver=${CARGO_TARGET_DIR:-target}/debug/examples/conformance_driver
    unguarded node tests/conformance/run.mjs "Rust with files=$driver files" "Rust with memory=$driver memory"
}

# The one figure of the server's benchmarks that no neighbour on the machine can change.
count_syscalls() {
    if ! has strace; then
        say "skipped: strace is for Linux alone"
        return
    fi
    unguarded cargo build --locked --quiet --package snapshot-server --bins --examples
    local built=${CARGO_TARGET_DIR:-target}/debug folder status=0
    folder=$(mktemp -d)
    "$built/examples/sample-snapshot" "$folder" 8 100000 &&
        unguarded python3 -B snapshot-server/bench/against-nginx.py "$built/snapshot-server" "$folder" --check || status=1
    rm -rf "$folder"
    return $status
}

python_tests() {
    # On a Mac, psql is nowhere but beside the server.
    PATH="$PATH:$(postgres_bin)" unguarded python3 -B -m unittest discover --start-directory "$1"
}

# Installs what the lock file of a folder names, and runs no script of any of that.
npm_modules() {
    [ "$1/package-lock.json" -ot "$1/node_modules/.package-lock.json" ] ||
        npm ci --prefix "$1" --ignore-scripts --silent
}

# Runs a script of a folder's package.json; the exercise app uses the built client.
npm_run() {
    npm_modules "$1" && unguarded npm run --prefix "$1" --silent "$2"
}

# Watch and app, until one of them ends or Ctrl-C ends both.
serve_app() {
    local port=${PORT:-8080} app_port=${APP_PORT:-5173} watch app
    "${CARGO_TARGET_DIR:-target}/debug/publisher" watch --source json-source --sql sql/migrations \
        --out snapshots --serve "127.0.0.1:$port" &
    watch=$!
    REFERENCE_SERVER="http://127.0.0.1:$port" node examples/exercise-app/node_modules/vite/bin/vite.js \
        examples/exercise-app --port "$app_port" --strictPort --logLevel warn &
    app=$!
    # shellcheck disable=SC2064 # these two, whatever the names hold later
    trap "kill $watch $app 2>/dev/null || true; wait" EXIT
    trap 'exit 0' INT TERM
    say "open http://127.0.0.1:$app_port, turn on Settings > Reference data from the backend,"
    say "then edit a label in json-source/equipment.json; Ctrl-C ends all of it"
    while kill -0 $watch 2>/dev/null && kill -0 $app 2>/dev/null; do
        sleep 1
    done
    fail "the watch or the app has ended; what it said stands above"
}

check_workflows() {
    npm_modules tests/workflows && node tests/workflows/lint.mjs .github/workflows/*.yml examples/ci/*.yml
}

# The page names the programs by their own names; they are built by it, too.
rehearse() {
    npm_run snapshot-client-ts build && npm_run examples/exercise-app build &&
        unguarded node tests/rehearsal/rehearse.mjs "$@"
}

# Whether a command fails, and says why in these words.
fails_with() {
    local words=$1 said
    shift
    if said=$("$@" 2>&1); then
        say "it should have failed: $*"
        return 1
    fi
    printf '%s\n' "$said" | tail -n 3
    case $said in
        *"$words"*) ;;
        *) say "it did not say \"$words\"" && return 1 ;;
    esac
}

# The advisories live in a git repository of their own: the one check that a
# closed network may keep us from.
check_advisories() {
    if cargo deny --log-level off fetch db 2>/dev/null; then
        step "advisories" cargo deny check --disable-fetch advisories
    else
        say "advisories not checked: the advisory database could not be fetched"
    fi
}

check_scripts() {
    if command -v shellcheck >/dev/null; then
        shellcheck dev scripts/*.sh .ci/run
    else
        bash -n dev && bash -n .ci/run && cat scripts/*.sh | bash -n && say "scripts only parsed: shellcheck is not installed"
    fi
}
