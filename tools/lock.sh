#!/bin/sh
# Makes requirements.lock (what a server needs) and requirements-dev.lock (that and the tools) anew from pyproject.toml.
#
# The locks hold for every platform and Python that pyproject.toml allows, carry hashes, and name no package index, so that pip
# and uv install them from whatever index a machine is set up with. Arguments go to `uv pip compile`, such as --upgrade.
set -eu
cd "$(dirname "$0")/.."

if ! command -v uv >/dev/null 2>&1; then
    .venv/bin/python -m pip install --quiet --disable-pip-version-check uv
    PATH="$PWD/.venv/bin:$PATH"
fi

compile() {
    uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
        --no-header --no-annotate --no-emit-index-url --no-emit-find-links pyproject.toml "$@"
}

compile "$@" --output-file requirements.lock
# Constrained by the first, so that tests run with the versions that a server gets.
compile "$@" --constraint requirements.lock --group dev --output-file requirements-dev.lock
