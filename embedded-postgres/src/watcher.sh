# Runs the private PostgreSQL and ends it once nobody holds it any more.
#
# usage: sh watcher.sh FOLDER PID COMMAND...
#
#   FOLDER   the socket folder, removed at the end
#   PID      a server that lost its watcher; when empty, COMMAND starts a new one
#   stdin    the reading end of the pipe FOLDER/hold. Every publisher that uses the
#            server holds its writing end, so that end of file means: all have gone,
#            however they went. A line is a question of one who comes: the file
#            FOLDER/<line> is our yes.
#   stdout   locked, and inherited by the server: free again once all of it has ended
#   stderr   the server's log
#
# Two processes, so that neither waits blindly: this one for the server's end, its
# child for the publishers'. The child alone is enough to end the server.

folder=$1 server=$2
shift 2
PATH=$PATH:/usr/bin:/bin
exec 3<&0 </dev/null

# end SIGNAL TENTHS: sends the signal, then leaves the server time to follow it.
end() {
    kill -s "$1" "$server" || return
    tenths=$2
    while [ "$tenths" -gt 0 ] && kill -s 0 "$server"; do
        sleep 0.1 || sleep 1
        tenths=$((tenths - 1))
    done
}

# TERM lets open sessions finish (a psql, a pg_dump), INT cuts them off and still
# writes everything out, QUIT leaves a recovery to the next start.
watch() {
    # A server that was killed, with the process that waited for it, is not worth joining.
    while read -r name && kill -s 0 "$server"; do echo >"$folder/$name"; done <&3
    end TERM 30
    end INT 300
    end QUIT 50
    end KILL 50
    rm -rf "$folder"
}

if [ -z "$server" ]; then
    "$@" 3<&- &
    server=$!
    started=yes
fi

# The publishers decide, not a signal meant for them. Set only now, because the server
# would inherit it.
trap '' HUP INT TERM
exec 2>/dev/null

if [ -z "$started" ]; then
    watch
    exit
fi

watch &
watcher=$!
exec 3<&-
wait "$server"
kill -s KILL "$watcher"
wait "$watcher"
rm -rf "$folder"
