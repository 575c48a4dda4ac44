# Debian packages, for ./quickstart and ./check (which source this file): what is needed, and installing what is missing.
# shellcheck shell=sh disable=SC2034

BUILD_PACKAGES="gcc make autoconf automake pkgconf libc6-dev libmilter-dev libevent-dev libssl-dev libcurl4-openssl-dev
    libc-ares-dev libsqlite3-dev libjansson-dev libconfuse-dev libidn2-dev libcdb-dev liblmdb-dev libarchive-dev libseccomp-dev"
SITE_PACKAGES="perl openssl postfix knot knot-dnsutils util-linux"
TEST_PACKAGES="libcmocka-dev libdbd-sqlite3-perl libdbi-perl libio-socket-ssl-perl opendkim spin systemd python3 curl xz-utils zstd bzip2
    sasl2-bin libsasl2-modules python3-flufl.bounce golang-github-jhillyerd-enmime-dev postfix-cdb postfix-lmdb pflogsumm chromium
    rspamd python3-dkim valgrind iproute2 nftables libfaketime nginx-light"
CORPUS_PACKAGES="libpython3.11-testsuite" # further real mail, for `make corpus-check`
BENCH_PACKAGES="opendkim nginx-light wrk valgrind nftables iproute2 libdbd-sqlite3-perl libdbi-perl libio-socket-ssl-perl" # for `make bench`: peers, load tools, and what counts instructions
LINT_PACKAGES="clang libclang-rt-14-dev clang-tidy clang-format cppcheck shellcheck"

# Mail servers that can't be installed beside Postfix, or would be a service of this machine afterwards: NAME:PACKAGE,... The tests
# run them from where they are unpacked (t/lib/Pontoon/Test/Unpacked.pm); once there they are not fetched again.
UNPACKED_SERVERS="sendmail:sendmail-bin,sendmail-cf exim:exim4-daemon-light dovecot:dovecot-lmtpd"
SERVERS_DIR=${PONTOON_TEST_SERVERS:-/var/cache/pontoon-test}

say() { printf '==> %s\n' "$*"; }
fail() { printf '%s: %s\n' "${0##*/}" "$*" >&2; exit 1; }

# quietly MESSAGE COMMAND...: shows what it printed, and the message, only when it fails.
quietly() {
    message=$1
    shift
    log=$(mktemp)
    "$@" >"$log" 2>&1 || { tail -n 60 "$log" >&2; rm -f "$log"; fail "$message"; }
    rm -f "$log"
}

# packages_install NAME...: those that dpkg doesn't know as installed; nothing happens when there are none.
packages_install() {
    missing=
    for package in "$@"; do
        dpkg-query -W -f '${db:Status-Abbrev}' "$package" 2>/dev/null | grep -q '^ii' || missing="$missing $package"
    done
    [ -n "$missing" ] || { say "Debian packages: all $# that are needed are installed"; return; }
    [ "$(id -u)" = 0 ] || fail "packages are missing, and only root can install them:$missing"
    say "Debian packages: installing$missing"
    quietly "apt-get failed" packages_fetch "$missing"
}

# In a subshell of its own, so that the trap is. While it runs, policy-rc.d (Debian policy 9.3.3) keeps the packages from
# starting their services; those that would start at the next boot are disabled, as nobody asked for them.
packages_fetch() (
    policy=/usr/sbin/policy-rc.d
    if [ ! -e $policy ]; then
        trap 'rm -f $policy' EXIT
        trap 'exit 1' INT TERM HUP
        { printf '#!/bin/sh\nexit 101\n' >$policy && chmod 755 $policy; } || exit 1
    fi
    export DEBIAN_FRONTEND=noninteractive
    case "$1 " in
    *" postfix "*) echo "postfix postfix/main_mailer_type select No configuration" | debconf-set-selections || exit 1 ;;
    esac
    # shellcheck disable=SC2086
    install="apt-get install -y --no-install-recommends $1"
    $install || { apt-get update && $install; } || exit 1
    command -v systemctl >/dev/null || return 0
    for service in postfix knot opendkim rspamd sasl2-bin:saslauthd nginx-light:nginx; do
        case "$1 " in
        *" ${service%:*} "*) systemctl disable "${service#*:}.service" || true ;;
        esac
    done
)

# Each of UNPACKED_SERVERS, in a tree of its own.
servers_unpack() {
    for server in $UNPACKED_SERVERS; do
        server_unpack "${server%%:*}" "$(echo "${server#*:}" | tr , ' ')"
    done
}

# server_unpack NAME "PACKAGE...": nothing happens when the tree was made from the same list.
server_unpack() {
    tree=$SERVERS_DIR/$1
    [ "$(cat "$tree/packages" 2>/dev/null)" != "$2" ] || return 0
    [ "$(id -u)" = 0 ] || fail "only root can unpack $1 into $SERVERS_DIR"
    mkdir -p "$SERVERS_DIR" || fail "$SERVERS_DIR can't be made"
    say "Mail servers for the tests: unpacking $1 into $tree"
    quietly "$1 could not be fetched and unpacked" server_fetch "$1" "$2"
}

# apt-get fetches the packages, and what they need that this machine lacks, as if they were to be installed.
server_fetch() (
    tree=$SERVERS_DIR/$1
    new=$tree.new
    packages=$2
    exec 9>"$SERVERS_DIR/lock" && flock 9 || exit 1
    [ "$(cat "$tree/packages" 2>/dev/null)" != "$packages" ] || return 0 # somebody else was first
    rm -rf "$new" && mkdir -p "$new/debs/partial" || exit 1
    fetch="apt-get install -y --download-only --reinstall --no-install-recommends -o Dir::Cache::archives=$new/debs $packages"
    $fetch || { apt-get update && $fetch; } || exit 1
    for deb in "$new"/debs/*.deb; do
        dpkg-deb -x "$deb" "$new" || exit 1
    done
    # As on this machine, where /lib is a link to usr/lib. Nothing in a test needs set-id programs.
    [ ! -d "$new/lib" ] || { cp -a "$new/lib/." "$new/usr/lib/" && rm -rf "${new:?}/lib"; } || exit 1
    rm -rf "$new/debs" && find "$new" -type f -perm /6000 -exec chmod a-s {} + && chmod 755 "$new" || exit 1
    echo "$packages" >"$new/packages" && rm -rf "$tree" && mv "$new" "$tree"
)

# tree_build SOURCE BUILD [CONFIGURE-OPTION...]: configures what is not configured, then makes what is not made.
tree_build() {
    quietly "the build in $2 failed" tree_make "$@"
}

tree_make() {
    [ -x "$1/configure" ] || (cd "$1" && autoreconf -fi) || return
    mkdir -p "$2" || return
    (
        configure=$1/configure
        cd "$2" && shift 2 && { [ -e Makefile ] || "$configure" -q "$@"; } && make -s -j"$(nproc)"
    )
}
