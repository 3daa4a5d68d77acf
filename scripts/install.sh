# shellcheck shell=bash
# Installing what is missing; ./dev reads this file.

# name | Debian package | Homebrew formula | what for
readonly TOOLS='
rust          | rustup                | rustup          | builds the project
rustfmt       | rustup                | rustup          | formats Rust
clippy        | rustup                | rustup          | lints Rust
cargo-nextest | cargo                 | cargo           | runs the tests
cargo-deny    | cargo                 | cargo           | holds dependencies to deny.toml
cc            | build-essential       | -               | compiles the C within zstd and BLAKE3
postgres      | postgresql            | postgresql@17   | holds the tables
c++           | build-essential       | -               | compiles libFuzzer
python3       | python3               | python3         | judges a snapshot without our code
curl          | curl ca-certificates  | curl            | fetches over HTTP
b3sum         | b3sum                 | b3sum           | hashes objects without our code
zstd          | zstd                  | zstd            | unpacks .zst variants without our code
brotli        | brotli                | brotli          | unpacks .br variants without our code
nginx         | nginx                 | nginx           | runs the edge of compose.yml, and is what our server is compared with
pgbouncer     | pgbouncer             | pgbouncer       | is a pooler in front of the database
rsync         | rsync                 | rsync           | pushes a store to where readers find it, in the example workflow
python3-venv  | python3-venv          | python3         | holds the suites that are Python packages
varnishd      | varnish               | varnish         | is a cache in front of our server
openssl       | openssl               | openssl         | makes certificates
h2load        | nghttp2-client        | nghttp2         | loads our server over HTTP/2
slowhttptest  | slowhttptest          | slowhttptest    | is a crowd of slow clients
node          | nodejs npm            | node            | runs the TypeScript client; 20 or later
chromium      | chromium              | chromium        | runs it in a browser
testssl       | testssl.sh            | testssl         | judges TLS
git           | git                   | git             | changes branches under a watch
vim           | vim                   | vim             | saves files as people do
nano          | nano                  | nano            | saves files as people do
perl          | perl                  | perl            | saves files as scripts do
faketime      | faketime              | libfaketime     | runs the publisher at another time than its database
strace        | strace                | -               | counts what a request costs the server
script        | bsdutils              | util-linux      | is a terminal for nano
'

# Installs those of the named tools that are missing, in as few steps as can be.
need() {
    local tool packages=""
    for tool in "$@"; do
        has "$tool" && continue
        case $(package_of "$tool") in
            rustup | cargo) ;;
            -) fail "$tool is missing; install Apple's with: xcode-select --install" ;;
            *)
                say "$tool is missing; it $(purpose_of "$tool")"
                packages="$packages $(package_of "$tool")"
                ;;
        esac
    done
    # shellcheck disable=SC2086 # a list of words
    [ -z "$packages" ] || install_packages $packages
    for tool in "$@"; do
        has "$tool" && continue
        case $(package_of "$tool") in
            nodejs*) install_own_node ;;
            rustup) install_rust "$tool" ;;
            cargo) install_by_cargo "$tool" ;;
            *) fail "$tool is still missing; install it and run this again" ;;
        esac
    done
}

has() {
    case $1 in
        rust) cargo_is_new_enough ;;
        rustfmt) cargo fmt --version >/dev/null 2>&1 ;;
        clippy) cargo clippy --version >/dev/null 2>&1 ;;
        postgres) postgres_bin >/dev/null ;;
        node) node_is_new_enough ;;
        # Debian keeps it where only root looks.
        pgbouncer) command -v pgbouncer >/dev/null || [ -x /usr/sbin/pgbouncer ] ;;
        python3-venv) python3 -c 'import ensurepip, venv' 2>/dev/null ;;
        *) command -v "$1" >/dev/null ;;
    esac
}

field_of() {
    printf '%s' "$TOOLS" | awk -F ' *[|] *' -v tool="$1" -v field="$2" '$1 == tool { print $field }'
}

package_of() {
    if [ "$(uname)" = Darwin ]; then field_of "$1" 3; else field_of "$1" 2; fi
}

purpose_of() {
    field_of "$1" 4
}

install_packages() {
    if command -v apt-get >/dev/null; then
        install_by_apt "$@"
    elif [ "$(uname)" = Darwin ] && command -v brew >/dev/null; then
        say "installing by brew: $*"
        brew install --quiet "$@"
    else
        fail "neither apt-get nor a Mac's brew is here; install by other means (Debian's names): $*"
    fi
}

install_by_apt() {
    local sudo=""
    if [ "$(id -u)" -ne 0 ]; then
        sudo="sudo"
        # Without a terminal nobody could type the password.
        [ -t 0 ] || sudo="sudo -n"
        if ! command -v sudo >/dev/null || ! $sudo true 2>/dev/null; then
            fail "not root, and sudo is of no help; ask for: apt-get install --no-install-recommends $*"
        fi
    fi
    say "installing by apt-get: $*"
    $sudo sh -euc "$BY_APT" by-apt "$@" </dev/null >&2
}

# Runs as root, so it is short. We want the binaries of servers, not servers:
# nothing is started, no cluster made, nothing enabled for the next boot; what
# had to be set for that is put back at the end.
# shellcheck disable=SC2016 # the other shell expands it
readonly BY_APT='
export DEBIAN_FRONTEND=noninteractive
policy=/usr/sbin/policy-rc.d
cluster=/etc/postgresql-common/createcluster.conf
put_back() {
    [ -z "${our_policy-}" ] || rm -f "$policy"
    [ ! -e "$cluster.tablecast" ] || mv "$cluster.tablecast" "$cluster"
}
install_quietly() {
    apt-get install -qq -y --no-install-recommends "$@" >/dev/null
}
install() {
    install_quietly "$@" 2>/dev/null || { apt-get update -qq && install_quietly "$@"; }
}
trap put_back EXIT
trap "exit 1" HUP INT TERM

if [ ! -e "$policy" ]; then
    our_policy=yes
    printf "#!/bin/sh\nexit 101\n" >"$policy"
    chmod 755 "$policy"
fi
case " $* " in *" postgresql "*)
    install postgresql-common
    [ -e "$cluster.tablecast" ] || cp -p "$cluster" "$cluster.tablecast"
    echo "create_main_cluster = false" >>"$cluster"
esac
install "$@"
for service in nginx pgbouncer varnish; do
    case " $* " in *" $service "*)
        ! command -v systemctl >/dev/null || systemctl disable --quiet "$service"
        ! command -v update-rc.d >/dev/null || update-rc.d "$service" disable
    esac
done
'

# `rust`, `rustfmt` or `clippy`. The current stable, as what we know to work: a
# pinned toolchain would be one more thing to move, and Cargo.toml says how old
# one may be.
install_rust() {
    say "$1 is missing or too old; it $(purpose_of "$1"); installing by rustup"
    if ! command -v rustup >/dev/null; then
        has curl || need curl
        # What https://sh.rustup.rs leads to, from the host that has the toolchains too.
        # A distribution's old cargo may stay: it is not what we use from here on.
        curl --proto '=https' --tlsv1.2 --silent --show-error --fail \
            https://static.rust-lang.org/rustup/rustup-init.sh |
            RUSTUP_INIT_SKIP_PATH_CHECK=yes sh -s -- -y --quiet --profile minimal \
                --component rustfmt --component clippy --no-modify-path >/dev/null
        PATH="${CARGO_HOME:-$HOME/.cargo}/bin:$PATH"
    else
        rustup toolchain install stable --profile minimal --component rustfmt --component clippy \
            --no-self-update
        export RUSTUP_TOOLCHAIN=stable
    fi
    hash -r
    has "$1" || fail "rustup has run, but \"$1\" is still missing or older than Rust $(rust_version)"
}

# An unoptimised build of a tool is made much sooner, and here its own work is
# a second. The tests can do without nextest, the checks not without cargo-deny.
install_by_cargo() {
    say "$1 is missing; it $(purpose_of "$1"); installing by cargo"
    if ! cargo install --quiet --locked --debug "$1"; then
        [ "$1" = cargo-nextest ] || fail "$1 could not be installed"
        say "cargo-nextest could not be installed: \`cargo test\` runs the tests"
    fi
}

rust_version() {
    sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml
}

cargo_is_new_enough() {
    local have
    have=$(cargo --version 2>/dev/null | cut -d ' ' -f 2) || return 1
    [ "$(printf '%s\n%s\n' "$(rust_version)" "$have" | sort -V | head -n 1)" = "$(rust_version)" ]
}

node_is_new_enough() {
    command -v npm >/dev/null && node -e 'process.exit(Number(process.versions.node.split(".")[0]) < 20 ? 1 : 0)' 2>/dev/null
}

# A Mac's browsers are applications, and Ubuntu's are snaps.
chromium_is_a_package() {
    [ "$(uname)" != Darwin ] && ! grep -qs '^ID=ubuntu' /etc/os-release
}

# Debian 12 and Ubuntu 24.04 have Node 18. Its npm gets a newer one, for this folder alone.
install_own_node() {
    command -v npm >/dev/null || fail "npm is still missing; install it and run this again"
    say "Node $(node --version) is too old; installing Node 20 into $OWN_NODE by npm"
    npm install --no-save --no-audit --no-fund --silent --prefix "$OWN_NODE" node@20 >&2
    PATH="$PWD/$OWN_NODE/node_modules/node/bin:$PATH"
    node_is_new_enough || fail "Node 20 or later is needed; install it and run this again"
}

# The folder of the newest PostgreSQL's `initdb` and `postgres`.
postgres_bin() {
    local bin version newest=0 found=""
    for bin in "$(dirname "$(command -v postgres || echo /none/postgres)")" \
        /usr/lib/postgresql/*/bin /opt/homebrew/opt/postgresql@*/bin \
        /usr/local/opt/postgresql@*/bin /Applications/Postgres.app/Contents/Versions/*/bin; do
        if [ ! -x "$bin/initdb" ] || [ ! -x "$bin/postgres" ]; then
            continue
        fi
        version=$("$bin/postgres" --version | sed 's/[^0-9]*\([0-9]*\).*/\1/')
        if [ "$version" -gt "$newest" ]; then
            newest=$version
            found=$bin
        fi
    done
    [ -n "$found" ] && echo "$found"
}
