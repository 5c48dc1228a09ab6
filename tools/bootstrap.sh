#!/bin/sh
# Makes .venv what the lock file says, with uv if it is on PATH, else with a Python's own venv and pip.
#
# Does nothing when .venv was already built from the same lock, the same pyproject.toml and in the same folder. All paths are
# relative to the checkout, so that its own path may hold spaces.
#
#   PYTHON=/path/to/python3.12 sh tools/bootstrap.sh    uses that Python instead of looking for one
set -eu
cd "$(dirname "$0")/.."

# What a user's shell may have set for other projects must not leak into this one.
unset VIRTUAL_ENV CONDA_PREFIX PYTHONPATH PYTHONHOME PYTHONSTARTUP __PYVENV_LAUNCHER__
unset PIP_USER PIP_TARGET PIP_PREFIX PIP_ROOT PIP_PYTHON PIP_REQUIRE_VIRTUALENV PIP_REQUIRE_HASHES PIP_CONSTRAINT PIP_NO_DEPS
unset UV_PROJECT UV_PROJECT_ENVIRONMENT UV_SYSTEM_PYTHON UV_PYTHON UV_REQUIRE_HASHES UV_CONSTRAINT UV_WORKING_DIRECTORY
PIP_USER=0 # also overrides a configuration file
export PIP_USER

stamp=.venv/.built-from

say() { printf '%s\n' "$*" >&2; }

fingerprint() {
    pwd -P
    cat requirements-dev.lock pyproject.toml tools/bootstrap.sh | cksum
}

is_recent() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; }

has_venv() { "$1" -c 'import ensurepip, venv' >/dev/null 2>&1; }

# Prints the Python to build .venv from; explains on stderr what to install when there is none.
find_python() {
    lacking=
    for candidate in "${PYTHON:-python3}" python3.13 python3.12 python3.14 python3.11 python; do
        is_recent "$candidate" || continue
        if has_venv "$candidate"; then
            printf '%s\n' "$candidate"
            return
        fi
        lacking=${lacking:-$candidate}
    done
    if [ -n "$lacking" ]; then
        version=$("$lacking" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
        say "Python $version ($lacking) lacks its venv or ensurepip module. On Debian or Ubuntu: apt-get install python$version-venv."
    else
        say "Hookfill needs Python 3.11 or newer and found none on PATH. Install one, or name it: make setup PYTHON=/path/to/python3.12"
    fi
    say "Or install uv, which brings a Python of its own, and run make setup again."
    return 1
}

install_with_uv() {
    if ! is_recent .venv/bin/python; then
        rm -rf .venv
        uv venv --quiet --python "${PYTHON:->=3.11}" .venv || return 1
    fi
    uv pip install --quiet --python .venv/bin/python --require-hashes --requirement requirements-dev.lock &&
        uv pip install --quiet --python .venv/bin/python --no-deps --no-build-isolation --editable .
}

install_with_pip() {
    if ! .venv/bin/python -m pip --version >/dev/null 2>&1 || ! is_recent .venv/bin/python; then
        python=$(find_python) || return 1
        rm -rf .venv
        "$python" -m venv .venv
    fi
    .venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes --requirement requirements-dev.lock
    .venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
}

wanted=$(fingerprint)
if [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$wanted" ] && is_recent .venv/bin/python; then
    exit 0
fi

# Scripts in .venv/bin know their folder by its full path: after a move it is built anew.
if [ -f "$stamp" ] && [ "$(head -n 1 "$stamp")" != "$(pwd -P)" ]; then
    rm -rf .venv
fi
rm -f "$stamp"

say "Building .venv from requirements-dev.lock; the first time this takes a minute."
if ! command -v uv >/dev/null 2>&1; then
    install_with_pip
elif ! install_with_uv; then
    say "uv could not build .venv; trying with pip."
    install_with_pip
fi
printf '%s\n' "$wanted" >"$stamp"
say "Ready: .venv/bin/hookfill"
