# shellcheck shell=bash
# The throwaway database of the tests; ./dev reads this file.

# One PostgreSQL for all test processes: no port, a socket in a private folder,
# and none of the care for a power cut that a test would only wait for.
start_test_database() {
    local bin as_user="" user
    bin=$(postgres_bin)
    # Under /tmp whatever TMPDIR says: a socket's path may have 107 bytes, and
    # the user that the server runs as must be able to enter.
    database=$(mktemp -d /tmp/tablecast-test.XXXXXX)
    guard_test_database
    # PostgreSQL refuses root.
    if [ "$(id -u)" -eq 0 ]; then
        user=$(id -un postgres 2>/dev/null || echo nobody)
        as_user="setpriv --reuid=$user --regid=$(id -g "$user") --clear-groups --"
        chown "$user" "$database"
    fi
    $as_user "$bin/initdb" --pgdata="$database/data" --no-sync --auth=trust --username=postgres \
        --encoding=UTF8 --locale="$(utf8_locale)" >"$database/initdb.log" 2>&1 9>&- ||
        fail_with_log "initdb failed" "$database/initdb.log"
    $as_user "$bin/postgres" -D "$database/data" -k "$database" \
        -c listen_addresses='' -c max_connections=200 \
        -c fsync=off -c full_page_writes=off -c synchronous_commit=off \
        >"$database/log" 2>&1 9>&- &
    wait_for_test_database $!
    export TABLECAST_TEST_DATABASE_URL="host=$database user=postgres dbname=postgres"
}

# Whatever ends this script, `kill -9` included, ends the database too: the
# cleaner reads a pipe whose other end this script alone holds.
guard_test_database() {
    mkfifo "$database/alive"
    clean_up_test_database <"$database/alive" &
    cleaner=$!
    exec 9>"$database/alive"
    trap stop_test_database EXIT
    trap 'exit 129' HUP
    trap 'exit 130' INT
    trap 'exit 143' TERM
}

# Runs a command without our end of that pipe, since it may outlive us.
unguarded() {
    "$@" 9>&-
}

clean_up_test_database() {
    local pid_file=$database/data/postmaster.pid tries=0
    trap '' HUP INT TERM
    cat >/dev/null || true
    if [ -e "$pid_file" ]; then
        kill -INT "$(head -n 1 "$pid_file")" 2>/dev/null || true
    fi
    # The server removes the file last when it ends in order.
    while [ -e "$pid_file" ] && [ $tries -lt 100 ]; do
        tries=$((tries + 1))
        sleep 0.05
    done
    if [ -e "$pid_file" ]; then
        kill -QUIT "$(head -n 1 "$pid_file")" 2>/dev/null || true
    fi
    rm -rf "$database"
}

stop_test_database() {
    exec 9>&-
    wait "$cleaner" || true
}

wait_for_test_database() {
    local server=$1
    # The last line of the file tells the server's state.
    until grep -q '^ready' "$database/data/postmaster.pid" 2>/dev/null; do
        kill -0 "$server" 2>/dev/null ||
            fail_with_log "the test database did not start" "$database/log"
        sleep 0.05
    done
}

# By bytes, as on a server in a container, where the system knows that locale.
utf8_locale() {
    if locale -a 2>/dev/null | grep -qix 'c\.utf-\{0,1\}8'; then echo C.UTF-8; else echo C; fi
}
