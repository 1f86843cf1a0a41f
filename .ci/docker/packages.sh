# shellcheck shell=bash
# Source me: Debian packages, from whatever mirror this machine's own apt is configured for.

: "${CI_CACHE:=${XDG_CACHE_HOME:-$HOME/.cache}/plantkeeper-ci}" # worth keeping between runs

ci_log() { printf '[docker %3ds] %s\n' "$SECONDS" "$*" >&2; }

ci_fail() {
    printf '%s\n' "$*" >&2
    return 1
}

ci_codename() { (. /etc/os-release && echo "${VERSION_CODENAME-}"); }

# ci_apt SUITE ARGS...: apt-get for another SUITE of the configured mirror, with lists of its own: the system's sources,
# lists and pins stay as they are.
ci_apt() {
    local suite=$1 dir="$CI_CACHE/apt-$1" uri key=/usr/share/keyrings/debian-archive-keyring.gpg
    shift
    mkdir -p "$dir/lists/partial" "$dir/cache/archives/partial"
    # shellcheck disable=SC2016  # $(REPO_URI) is apt's
    uri=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' "Release: $(ci_codename)" | head -n1)
    echo "deb [signed-by=$key] $uri $suite main" > "$dir/sources.list"
    apt-get -qq -o Dir::Etc::sourcelist="$dir/sources.list" -o Dir::Etc::sourceparts=/dev/null \
        -o Dir::State::lists="$dir/lists" -o Dir::Cache="$dir/cache" -o APT::Sandbox::User=root "$@"
}

# ci_install PACKAGE...: into the system, waiting for whoever installs something just now. No service is started.
ci_install() {
    local policy=/usr/sbin/policy-rc.d mine='' log=${TMPDIR:-/tmp}/plantkeeper-ci-install.log rc=0
    [ "$(id -u)" = 0 ] || { ci_fail "needs root: sudo apt-get install --no-install-recommends $*"; return 1; }
    if [ ! -e "$policy" ]; then
        printf '#!/bin/sh\nexit 101\n' > "$policy"
        chmod +x "$policy"
        mine=1
    fi
    {
        apt-get -qq update && DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends \
            -o DPkg::Lock::Timeout=300 "$@"
    } > "$log" 2>&1 || rc=$?
    [ -z "$mine" ] || rm -f "$policy"
    if [ $rc != 0 ]; then
        tail -n 20 "$log" >&2
        ci_fail "apt-get could not install $*: is the Debian mirror of this machine reachable?"
    fi
}

# ci_unpack SUITE DIR PACKAGE...: unpacks packages under DIR; nothing is installed, no maintainer script is run.
ci_unpack() (
    set -e
    suite=$1 dir=$2
    shift 2
    mkdir -p "$dir" "$CI_CACHE/debs-$suite"
    cd "$CI_CACHE/debs-$suite"
    for package; do
        if ! compgen -G "${package}_*.deb" > /dev/null; then
            [ -n "${updated-}" ] || ci_apt "$suite" update > /dev/null
            updated=1
            ci_apt "$suite" download "$package" > /dev/null
        fi
        dpkg-deb -x "${package}"_*.deb "$dir"
    done
)
