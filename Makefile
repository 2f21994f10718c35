# The front door. Every target makes what it needs; the work is in scripts/.
.PHONY: help demo test unit lint types floors fmt bench compiled wheels register docs constraints clean
.DEFAULT_GOAL := help
SHELL := /usr/bin/env bash
WORKERS ?= $(or $(PILLARBOX_SERVER_WORKERS),1)
# Kept byte code is half of the time that pytest needs to begin.
export PYTHONDONTWRITEBYTECODE :=

help: ## this list
	@sed -n 's/^\([a-z]*\): .*## /\1\t/p' Makefile | expand -t 14

demo: ## a whole mail house on free loopback ports, until Ctrl-C (ONCE=1: show and end; ARGS=...)
	@scripts/demo $(ARGS)

test: ## everything, real mail programs included (WORKERS=2: servers of two processes; ARGS=... to pytest)
	@PILLARBOX_SERVER_WORKERS=$(WORKERS) scripts/test $(ARGS)

unit: dev ## the quick tests only, for the inner loop (ARGS=... to pytest)
	@.venv/bin/python -m pytest -q --hypothesis-profile quick -n 2 --dist loadgroup -m "not (clients or peers or flows or crash or fuzz or slow)" $(ARGS)

lint: dev ## ruff: rules and format
	@.venv/bin/ruff check . && .venv/bin/ruff format --check .

types: dev ## mypy, strict
	@.venv/bin/mypy

floors: dev ## the import rules of the house
	@.venv/bin/lint-imports --no-logo

fmt: dev ## format, and mend what ruff can mend
	@.venv/bin/ruff format . && .venv/bin/ruff check --fix .

bench: dev ## beside Postfix and Dovecot, a few minutes (FULL=1: all, with pages; ARGS=... names)
	@scripts/bench $(ARGS)

compiled: dev ## build/compiled: the rooms with most of the work compiled (for PYTHONPATH)
	@scripts/compiled

wheels: dev ## dist: the source, a wheel of plain Python, one with rooms compiled
	@scripts/wheels

register: dev ## bring docs/rfc.toml up to date with the source
	@.venv/bin/python scripts/rfc_register.py --write

docs: dev ## write the pages of docs/ that are made from the source
	@.venv/bin/python scripts/docs

constraints: dev ## write constraints.txt from what is installed
	@scripts/constraints

clean: ## remove .venv and everything made
	@scripts/clean

.PHONY: dev
dev:
	@scripts/venv dev
