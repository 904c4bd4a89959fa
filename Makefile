# Every target sets up what it needs in .venv: python3-venv and make are enough.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check -q
OUT ?= demo

.PHONY: demo test check lint types layers slow install install-dev review clean

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.plain: pyproject.toml | $(VENV)/bin/python
	@echo "installing Sonometry into $(VENV) (once, a minute or two) ..."
	$(PIP) install -e .
	@touch $@

$(VENV)/.dev: pyproject.toml | $(VENV)/bin/python
	@echo "installing Sonometry with all that tests need into $(VENV) (once; torch is large) ..."
	$(PIP) install -e '.[train,service,dev]'
	@$(OCR)
	@touch $@ $(VENV)/.plain

# rapidocr asks for plain opencv-python, which would overwrite the headless build: install it without its dependencies.
OCR = $(PIP) install --no-deps rapidocr-onnxruntime==1.4.4 && $(PIP) install pyclipper Shapely PyYAML six tqdm Pillow

install: $(VENV)/.plain
install-dev: $(VENV)/.dev

demo: $(VENV)/.plain
	$(BIN)/sonometry demo --out $(OUT)

test: $(VENV)/.dev
	$(BIN)/python -m pytest -n 2 -q

slow: $(VENV)/.dev
	$(BIN)/python -m pytest -q -m 'slow or peers'

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/codespell src tests docs benchmarks README.md CHANGELOG.md CONTRIBUTING.md

types: $(VENV)/.dev
	$(BIN)/mypy

layers: $(VENV)/.dev
	$(BIN)/lint-imports

check: lint types layers test

clean:
	rm -rf $(VENV) $(OUT) build dist .pytest_cache .mypy_cache .ruff_cache
