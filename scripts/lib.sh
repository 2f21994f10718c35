# Shared by the scripts beside it: how they speak, and which Python they take.
say() { printf '==> %s\n' "$*"; }
warn() { printf '==> WARNING: %s\n' "$*" >&2; }
die() { printf '==> ERROR: %s\n' "$*" >&2; exit 1; }

oldest=3.11

# find_python: sets $python to $PYTHON or the first interpreter that is new enough.
find_python() {
    local candidate
    for candidate in ${PYTHON:-python3 python3.14 python3.13 python3.12 python3.11}; do
        if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            python=$candidate
            return
        fi
    done
    die "Pillarbox needs Python $oldest or newer, and ${PYTHON:-python3} is $("${PYTHON:-python3}" --version 2>/dev/null || echo not there)." \
        "Install one (Debian: apt-get install python3 python3-venv), or name it: make PYTHON=/path/to/python3.12"
}

# as_root: sets the array $root to the words that run a command as root; false if that cannot be.
as_root() {
    if [ "$(id -u)" = 0 ]; then root=(env)
    elif sudo -n true 2>/dev/null; then root=(sudo -n env)
    else return 1
    fi
}

# may_install: whether Debian packages may be installed here; says why when not.
may_install() {
    if [ "${PILLARBOX_APT:-yes}" = no ]; then warn "PILLARBOX_APT=no: installing no Debian packages"
    elif ! command -v apt-get >/dev/null; then warn "no apt-get here: installing no packages"
    elif ! as_root; then warn "neither root nor sudo without a password: installing no packages"
    else return 0
    fi
    return 1
}

# apt LOG WORDS...: apt-get without questions, its talk going to LOG.
apt() {
    local log=$1
    shift
    "${root[@]}" DEBIAN_FRONTEND=noninteractive DEBCONF_NONINTERACTIVE_SEEN=true NEEDRESTART_MODE=l \
        apt-get -q -y -o Acquire::Retries=3 -o DPkg::Lock::Timeout=120 "$@" >>"$log" 2>&1 </dev/null
}
