# The tasks of this checkout; `make` lists them. Recipes use relative paths only, so that the checkout's own path may hold spaces.

# Arguments for the task's program: make demo ARGS="--once --json", make test ARGS="tests/risk -k collar"
ARGS ?=
# Test processes: one more than there are cores, since many tests wait for servers that they have started (tests/conftest.py). Files
# are handed out in their order, not those with the fewest tests last: they take long, and one core would end alone with them.
WORKERS ?= --numprocesses=auto --dist=loadfile --no-loadscope-reorder

SHELL := /bin/sh
MAKEFLAGS += --no-print-directory

# Settings that a user's shell holds for other projects stay outside.
unexport VIRTUAL_ENV CONDA_PREFIX PYTHONPATH PYTHONHOME PYTHONSTARTUP PYTHONDONTWRITEBYTECODE PYTEST_ADDOPTS

.DEFAULT_GOAL := help
.PHONY: help setup demo run test check check-format check-lint check-types check-imports check-lengths check-reference reference bench chaos fuzz lock format clean

help: ## list these tasks
	@printf 'Usage: make TASK [ARGS="…"]\n\n'
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  \1\t\2/p' Makefile | expand -t 14

setup: ## build .venv from the lock file (every other task does so by itself)
	@sh tools/bootstrap.sh

demo: setup ## replay the sample trading day on a fresh temporary installation (ARGS="--once --json")
	@.venv/bin/hookfill demo $(ARGS)

run: setup ## start the server (ARGS="--port 8001")
	@.venv/bin/hookfill serve $(ARGS)

test: setup ## run the test suite (ARGS="tests/risk")
	@.venv/bin/python -m pytest $(WORKERS) $(ARGS)

check: check-format check-lint check-types check-imports check-lengths check-reference ## formatting, lint, types, imports, lengths, reference pages

check-format: setup
	@.venv/bin/ruff format --check .

check-lint: setup
	@.venv/bin/ruff check .

check-types: setup
	@.venv/bin/mypy

check-imports: setup
	@.venv/bin/lint-imports --no-logo

check-lengths: setup
	@.venv/bin/python tools/ratchet.py

check-reference: setup
	@.venv/bin/python tools/reference.py --check

reference: setup ## write docs/reference from the tables in the code
	@.venv/bin/python tools/reference.py

bench: setup ## measure, each figure against a reference measured in the same run
	@.venv/bin/python -m benchmarks $(ARGS)

chaos: setup ## kill the server again and again and check that nothing was lost or done twice (long)
	@.venv/bin/python -m pytest tests/chaos --chaos-long -n0 $(ARGS)

fuzz: setup ## try many random inputs on every route of the API, and many lives of a ledger (long; ARGS="-k signals --fuzz-examples 2000")
	@.venv/bin/python -m pytest tests/security/test_fuzz.py tests/desk/test_ledger_machine.py -n0 --fuzz-examples 300 $(ARGS)

format: setup ## format the code and mend what lint can mend
	@.venv/bin/ruff check --fix-only .
	@.venv/bin/ruff format .

lock: setup ## make both lock files anew from pyproject.toml (ARGS="--upgrade" for newer versions)
	@sh tools/lock.sh $(ARGS)

clean: ## remove .venv, caches and whatever else these tasks made
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis build dist
	find src tests tools benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +
