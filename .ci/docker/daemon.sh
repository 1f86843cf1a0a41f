# shellcheck shell=bash
# Source me, after packages.sh: a Docker daemon, and Compose v2 with Buildx as plugins of the command line.
# Each function does nothing where the real thing is there already.

# A folder of plugins in a DOCKER_CONFIG of our own: nothing of the user's is touched.
ci_plugins() {
    local from=${CI_PLUGIN_SUITE:-trixie} plugin missing=()
    docker compose version > /dev/null 2>&1 || missing+=(docker-compose)
    docker buildx version > /dev/null 2>&1 || missing+=(docker-buildx)
    [ ${#missing[@]} = 0 ] && return
    ci_unpack "$from" "$CI_CACHE/tools" "${missing[@]}" ||
        { ci_fail "no Docker Compose v2: Debian $from could not be had from this machine's mirror"; return 1; }
    export DOCKER_CONFIG="$CI_CACHE/docker-config"
    mkdir -p "$DOCKER_CONFIG/cli-plugins"
    for plugin in "${missing[@]}"; do
        ln -sf "$CI_CACHE/tools/usr/libexec/docker/cli-plugins/$plugin" "$DOCKER_CONFIG/cli-plugins/$plugin"
    done
    ci_log "$(docker compose version), buildx $(docker buildx version | awk '{print $2}')"
}

# Whether process PID is a dockerd; a number may be another process's by now.
ci_is_dockerd() { [ "$(cat "/proc/$1/comm" 2> /dev/null)" = dockerd ]; }

# Sets CI_DOCKERD_PID where it started one. Where DOCKER_HOST names a socket, it listens there.
ci_dockerd_start() {
    CI_DOCKERD_PID=
    docker version > /dev/null 2>&1 && { ci_log "using the running daemon"; return; }
    [ "$(id -u)" = 0 ] || { ci_fail "no Docker daemon answers, and only root can start one: start Docker, or run this as root"; return 1; }
    if ! command -v dockerd > /dev/null; then
        ci_log "installing docker.io"
        ci_install docker.io iptables || return
    fi
    CI_DOCKERD_LOG=${CI_DOCKERD_LOG:-${TMPDIR:-/tmp}/plantkeeper-dockerd.log}
    # A pid file that a killed daemon left keeps a new one from starting.
    local pidfile=/var/run/docker.pid deadline
    if [ -e "$pidfile" ] && ! ci_is_dockerd "$(< "$pidfile")"; then rm -f "$pidfile"; fi
    # Twice: after a dockerd that was killed the first start only ends its containerd.
    for _ in 1 2; do
        # A session of its own: Ctrl-C must not reach it before the clean-up has run.
        setsid dockerd ${DOCKER_HOST:+--host "$DOCKER_HOST"} > "$CI_DOCKERD_LOG" 2>&1 < /dev/null &
        CI_DOCKERD_PID=$!
        deadline=$((SECONDS + 60))
        while kill -0 "$CI_DOCKERD_PID" 2> /dev/null && [ "$SECONDS" -lt "$deadline" ]; do
            if docker version > /dev/null 2>&1; then
                ci_log "dockerd $(docker version -f '{{.Server.Version}}') runs: $(docker info -f '{{.Driver}}, cgroup v{{.CgroupVersion}}')"
                return
            fi
            sleep 0.1
        done
        ci_dockerd_stop
    done
    grep -vE 'level=(info|debug)' "$CI_DOCKERD_LOG" | tail -n 20 >&2
    ci_fail "dockerd did not come up; its log is $CI_DOCKERD_LOG"
}

# Ends the daemon that this shell started, with SIGTERM alone: a killed one leaves its containers behind.
ci_dockerd_stop() {
    [ -n "${CI_DOCKERD_PID-}" ] || return 0
    kill "$CI_DOCKERD_PID" 2> /dev/null || :
    wait "$CI_DOCKERD_PID" 2> /dev/null || :
    CI_DOCKERD_PID=
}
