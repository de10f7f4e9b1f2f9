# Everything a newcomer needs. Each target works on a fresh clone with Python 3.11 and nothing else set up.

PORT ?= 8000
MQTT_PORT ?= 1883
SIMULATOR ?= on
WORKERS ?= 2
NAME ?=
LOCKS := dev base production node fuzz
SECONDS ?= 60

# The first Python 3.11 that runs (a pyenv shim may exist and not run), else any Python 3, which says what is missing.
ifndef PYTHON
PYTHON := $(shell for name in python3.11 python3 python; do \
	"$$name" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' 2>/dev/null && { command -v "$$name"; exit; }; \
	done; command -v python3)
endif
SETUP := $(PYTHON) -m factorypulse.dev.bootstrap
BIN := .venv/bin
FUZZ := $(or $(STATE_DIR),.factorypulse)/fuzz
# Node may live in .venv too.
NPM := PATH="$(CURDIR)/$(BIN):$$PATH" npm
TITLE := @printf '\n== %s\n'

ifdef STATE_DIR
export STATE_DIR
endif

.DEFAULT_GOAL := help
.PHONY: help python setup demo test test-tools check lint types floors migrations deploy front-end screenshots words lock bench faults restore-rehearsal fuzz clean clean-all

help: ## say what there is
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

python:
ifeq ($(strip $(PYTHON)),)
	$(error FactoryPulse needs Python 3.11, and there is no Python 3 here. On Debian 12: apt-get install python3.11 python3.11-venv)
endif

setup: python ## make .venv and install the locked packages and front-end files
	@$(SETUP)

demo: python ## run the whole product here (PORT=8000 MQTT_PORT=1883 SIMULATOR=on)
	@exec $(SETUP) -m factorypulse.dev.demo --stop-with-parent \
		--port $(PORT) --mqtt-port $(MQTT_PORT) --simulator $(SIMULATOR)

test: setup test-tools ## run all tests, against real servers they start themselves
	@exec $(BIN)/python -m pytest -n $(WORKERS) --durations=25 $(PYTEST_ARGS)

test-tools: setup
	@$(BIN)/python -m factorypulse.dev.test_tools

check: lint types floors migrations deploy front-end test ## what CI runs: everything

lint: setup
	$(TITLE) "Style: ruff, djlint"
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check --quiet
	@$(BIN)/djlint templates --lint --quiet

types: setup
	$(TITLE) "Types: mypy --strict"
	@$(BIN)/mypy

floors: setup
	$(TITLE) "Floors: imports only go down"
	@$(BIN)/lint-imports --no-cache

migrations: setup
	$(TITLE) "Migrations: none is missing"
	@DJANGO_SETTINGS_MODULE=factorypulse.settings.test $(BIN)/python -W ignore::RuntimeWarning \
		manage.py makemigrations --check --dry-run

deploy: setup
	$(TITLE) "Production settings: manage.py check --deploy"
	@env DJANGO_SETTINGS_MODULE=factorypulse.settings.production DOMAIN=factorypulse.example \
		SECRET_KEY="$$($(BIN)/python -c 'import secrets; print(secrets.token_urlsafe(64))')" \
		DATABASE_URL=postgresql://check@127.0.0.1:5432/check REDIS_URL=redis://127.0.0.1:6379/0 \
		EMAIL_URL=smtp://127.0.0.1:25 \
		$(BIN)/python manage.py check --deploy --fail-level WARNING

front-end: setup
	$(TITLE) "Front end: eslint, tsc, node --test"
	@$(NPM) run --silent lint
	@$(NPM) run --silent types
	@$(NPM) run --silent test

screenshots: setup ## take the pictures of docs/screenshots from a running `make demo` (PORT=8000)
	@$(BIN)/python -m factorypulse.dev.screenshots --url http://demo.localhost:$(PORT)

words: setup ## gather the sentences for translators and compile what they wrote (needs gettext)
	@$(BIN)/python -m django makemessages --locale=de --no-wrap --no-location --no-obsolete \
		--ignore=.venv --ignore=node_modules --ignore=staticfiles --ignore=tests --ignore=.factorypulse
	@$(BIN)/python -m django compilemessages --locale=de --ignore=.venv

lock: setup ## write requirements/*.txt anew from requirements/*.in, with hashes
	@for name in $(LOCKS); do \
		constraint=; case $$name in base|production|fuzz) constraint=--constraint=requirements/dev.txt;; esac; \
		echo "requirements/$$name.txt"; \
		CUSTOM_COMPILE_COMMAND="make lock" $(BIN)/pip-compile --quiet --allow-unsafe --generate-hashes --strip-extras \
			--no-emit-find-links --no-emit-index-url --no-emit-trusted-host $$constraint \
			--output-file=requirements/$$name.txt requirements/$$name.in || exit 1; \
	done
	@$(NPM) install --package-lock-only --ignore-scripts

bench: setup ## run the benchmarks, or one of them (NAME=ingest)
	@exec $(BIN)/python -m factorypulse.dev.bench $(NAME)

restore-rehearsal: setup ## archive a factory, lose it, restore it from the file, count what is there
	@$(BIN)/python -m pytest tests/faults/test_life_cycle.py -n0 -v -s -k restored $(PYTEST_ARGS)

faults: setup ## the long fault run
	@FACTORYPULSE_FAULTS=long exec $(BIN)/python -m pytest tests/faults -v --timeout=7200 $(PYTEST_ARGS)

fuzz: python ## let libFuzzer at the decoders of packets, bodies and journal rows (SECONDS=60 for each)
	@test -x $(FUZZ)/bin/python || $(PYTHON) -m venv $(FUZZ)
	@$(FUZZ)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/fuzz.txt
	@exec $(FUZZ)/bin/python -m tests.fuzz --seconds $(SECONDS) --corpus $(FUZZ)/corpus

clean: python ## remove the trial's data and all caches
	@$(PYTHON) -m factorypulse.dev.clean

clean-all: clean ## also what setup installed
	@rm -rf .venv node_modules static/vendor
