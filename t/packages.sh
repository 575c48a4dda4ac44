# Debian packages, for ./quickstart and ./check (which source this file): what is needed, and installing what is missing.
# shellcheck shell=sh disable=SC2034

BUILD_PACKAGES="gcc make autoconf automake pkgconf libc6-dev libmilter-dev libevent-dev libssl-dev libcurl4-openssl-dev
    libc-ares-dev libsqlite3-dev libjansson-dev libconfuse-dev libidn2-dev"
SITE_PACKAGES="perl openssl postfix knot knot-dnsutils util-linux"
TEST_PACKAGES="libcmocka-dev libdbd-sqlite3-perl libdbi-perl libio-socket-ssl-perl opendkim python3 curl xz-utils
    python3-flufl.bounce golang-github-jhillyerd-enmime-dev"
LINT_PACKAGES="clang clang-tidy clang-format cppcheck shellcheck"

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
    for service in postfix knot opendkim; do
        case "$1 " in
        *" $service "*) systemctl disable $service.service || true ;;
        esac
    done
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
