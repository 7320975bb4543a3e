# The two commands: `make run` (a fresh checkout to a served sample policy set) and `make test`.
# Everything is installed into .venv in the checkout, from lock files with hashes; `make clean` removes it all.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
POLICIES ?= policies
STATE ?= .acrux
HOST ?= 127.0.0.1
PORT ?= 8080

.DEFAULT_GOAL := help
.PHONY: help run test check format bench lock openapi clean

help: ## Say what each target does
	@grep -E '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## (.*)/\1|\2/' | while IFS='|' read -r name what; do printf '  make %-8s %s\n' "$$name" "$$what"; done

# A virtual environment, whatever this system's Python comes with (Debian splits venv off).
$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "acrux needs Python 3.11 or newer: set PYTHON=/path/to/python3.11" >&2; exit 1; }
	@bash .ci/venv "$(PYTHON)" "$(VENV)"

$(VENV)/.service: $(BIN)/python requirements.lock pyproject.toml
	@echo "installing the service's locked dependencies into $(VENV) ..." >&2
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/.dev: $(VENV)/.service requirements-dev.lock
	@echo "installing the development dependencies into $(VENV) ..." >&2
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements-dev.lock
	@touch $@

run: $(VENV)/.service ## Serve the sample policy set on embedded SQLite, http://127.0.0.1:8080
	@exec $(BIN)/acrux serve --policies $(POLICIES) --state $(STATE) --host $(HOST) --port $(PORT)

test: $(VENV)/.dev ## Run every test, with coverage (PYTEST="-k name" narrows it)
	@bash .ci/test $(PYTEST)

check: $(VENV)/.dev ## Lint, format, types, architecture, lock files
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	@bash .ci/houserules
	$(BIN)/acrux check --strict policies

format: $(VENV)/.dev ## Format the code and mend what the linter can mend
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(VENV)/.dev ## Measure, print the table of bars, and write docs/benchmarks.md
	$(BIN)/python tests/benchmarks/run.py

openapi: $(VENV)/.dev ## Write openapi/openapi.yaml from the app
	$(BIN)/python -m acrux.http.openapi > openapi/openapi.yaml

lock: $(VENV)/.dev ## Resolve the lock files anew, for Python 3.11 to 3.14
	$(BIN)/python -m pip install --quiet uv
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-header --python-version 3.11 --extra service --extra starlette --group build pyproject.toml -o requirements.lock
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-header --python-version 3.11 --all-extras --group dev -c requirements.lock pyproject.toml -o requirements-dev.lock

clean: ## Remove everything that the targets made
	rm -rf $(VENV) .acrux .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage* htmlcov dist build tests/e2e/provider/node_modules tests/e2e/relying_parties_node/node_modules
