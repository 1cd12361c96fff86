# Relative paths only: this works in a directory whose name has a space in it, which absolute targets would not.

VENV := .venv
BIN := $(VENV)/bin
# The directory is part of the name: scripts in a virtual environment know where they lie, so a moved clone installs again.
HERE := $(shell pwd | cksum | cut -d ' ' -f 1)
RUNTIME := $(VENV)/.runtime-$(HERE)
DEV := $(VENV)/.dev-$(HERE)
# An S3 server to test against. In an environment of its own: it and the embedded database want different versions.
S3 := $(VENV)/s3
S3_READY := $(S3)/.ready-$(HERE)
PIP := $(BIN)/python -m pip --disable-pip-version-check --no-input
INSTALL := $(PIP) install --quiet --require-hashes
SUITES := $(wildcard tests/unit) $(wildcard tests/integration) $(wildcard tests/acceptance)
COMPILE := uv pip compile --quiet --universal --python-version 3.11 --fork-strategy fewest --generate-hashes \
  --no-header --no-annotate --no-emit-index-url
UPGRADE :=

.PHONY: help demo serve test test-unit test-openai test-long lint format lock env-example check-python clean
.DEFAULT_GOAL := help

help:
	@echo 'make demo       transcribe a sample of real speech, from nothing to the text; leaves nothing running'
	@echo 'make serve      run the service on http://127.0.0.1:8000 until Ctrl-C (API_PORT=8001 make serve: elsewhere)'
	@echo 'make test       lint, types and every test; test-unit: seconds; test-long: what takes minutes'
	@echo 'make test-openai  the tests of ENGINE=openai-whisper, with the extra `openai`'
	@echo 'make format     put the code into shape;  make lint: check it'
	@echo 'make lock       write the requirements files again (UPGRADE=--upgrade: with the newest versions)'
	@echo 'make clean      remove the virtual environment and caches; data and models stay'

demo: $(RUNTIME)
	@$(BIN)/python -P -m cli.main demo

serve: $(RUNTIME)
	@exec $(BIN)/python -P -m cli.main serve

test: lint $(S3_READY)
	$(BIN)/python -m pytest -m 'not slow and not openai' $(SUITES)

test-unit: $(DEV)
	$(BIN)/python -m pytest -m 'not slow and not openai' tests/unit

# PyTorch is large and not everybody's build is the same: it is not installed for this.
test-openai: $(DEV)
	@$(BIN)/python -c 'import whisper' 2> /dev/null || \
	  { echo "This needs the extra: $(BIN)/python -m pip install 'openai-whisper>=20250625'" >&2; exit 1; }
	$(BIN)/python -m pytest -m openai $(SUITES)

test-long: $(DEV) $(S3_READY)
	$(BIN)/python -m pytest -m slow $(SUITES)

lint: $(DEV)
	$(BIN)/python -m ruff check .
	$(BIN)/python -m ruff format --check .
	$(BIN)/python -m mypy
	$(BIN)/lint-imports

format: $(DEV)
	$(BIN)/python -m ruff check --fix .
	$(BIN)/python -m ruff format .

env-example: $(RUNTIME)
	$(BIN)/python -P -m cli.env_example > .env.example

# Each file is bound to the one before, so that the first three can be installed into one environment.
lock:
	@command -v uv > /dev/null || { echo 'make lock needs uv: https://docs.astral.sh/uv/' >&2; exit 1; }
	$(COMPILE) $(UPGRADE) pyproject.toml --extra models -o requirements.txt
	printf 'hatchling>=1.27\neditables>=0.5\n' | $(COMPILE) $(UPGRADE) - -c requirements.txt -o requirements-build.txt
	printf 'hatchling>=1.27\neditables>=0.5\n' | $(COMPILE) $(UPGRADE) - pyproject.toml --extra models --extra tiny-en \
	  --group dev -c requirements.txt -c requirements-build.txt -o requirements-dev.txt
	printf 'moto[s3]>=5.1\nflask>=3.1\nflask-cors>=6\n' | $(COMPILE) $(UPGRADE) - -o requirements-s3.txt
	printf 'nvidia-cublas-cu12>=12.4,<13\nnvidia-cudnn-cu12>=9.5,<10\n' | $(COMPILE) $(UPGRADE) - -o requirements-gpu.txt

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis dist

# The newest Python that fits, that really runs (a shim may exist and fail), and that can make virtual environments.
FIND_PYTHON = \
  found=; lacking=; \
  for candidate in "$$PYTHON" python3.13 python3.12 python3.11 python3 python; do \
    [ -n "$$candidate" ] || continue; \
    "$$candidate" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' > /dev/null 2>&1 || continue; \
    if "$$candidate" -c 'import ensurepip, venv' > /dev/null 2>&1; then found=$$candidate; break; fi; \
    lacking=$$candidate; \
  done; \
  if [ -z "$$found" ] && [ -n "$$lacking" ]; then \
    echo "$$lacking cannot make virtual environments. Install what is missing: apt install python3-venv" >&2; exit 1; \
  elif [ -z "$$found" ]; then \
    echo 'Parascribe needs Python 3.11, 3.12 or 3.13. Install one, or name it: make PYTHON=/path/to/python3' >&2; exit 1; \
  fi

MAKE_VENV = \
  if ! $(BIN)/python -c 'import pip' > /dev/null 2>&1; then \
    $(FIND_PYTHON); \
    echo "making $(VENV) with $$("$$found" --version)" >&2; \
    rm -rf $(VENV); "$$found" -m venv $(VENV) || { rm -rf $(VENV); exit 1; }; \
  fi

check-python:
	@$(FIND_PYTHON)

$(RUNTIME): requirements.txt requirements-build.txt pyproject.toml
	@$(MAKE_VENV)
	@echo 'installing the packages; this takes a while, but only the first time' >&2
	@$(INSTALL) -r requirements.txt -r requirements-build.txt
	@$(PIP) install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

$(DEV): requirements.txt requirements-build.txt requirements-dev.txt pyproject.toml
	@$(MAKE_VENV)
	@echo 'installing the packages; this takes a while, but only the first time' >&2
	@$(INSTALL) -r requirements-dev.txt
	@$(PIP) install --quiet --no-deps --no-build-isolation --editable .
	@touch $@ $(RUNTIME)

$(S3_READY): requirements-s3.txt | $(DEV)
	@rm -rf $(S3) && $(BIN)/python -m venv $(S3)
	@$(S3)/bin/python -m pip --disable-pip-version-check --no-input install --quiet --require-hashes -r requirements-s3.txt
	@touch $@
