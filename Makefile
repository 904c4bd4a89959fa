# Every target sets up what it needs in .venv: python3-venv and make are enough.
PYTHON ?= python3
OUT ?= demo
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check -q
PYTEST := $(BIN)/python -m pytest -q

.PHONY: demo test check lint types layers slow review pictures reference install install-dev clean

# An environment that broke half-way, whose Python has gone, or that was moved here from elsewhere, is made again.
$(shell [ ! -e $(VENV) ] \
  || { $(BIN)/python -m pip --version && { [ ! -s $(VENV)/.plain ] || [ "$$(cat $(VENV)/.plain)" = "$(CURDIR)" ]; }; } \
    >/dev/null 2>&1 \
  || rm -rf $(VENV))

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "Sonometry needs Python 3.11 or newer; pass one as: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	@$(PYTHON) -m venv $(VENV) \
	  || { rm -rf $(VENV); echo "the virtual environment could not be made; on Debian: apt install python3-venv"; exit 1; }

$(VENV)/.plain: pyproject.toml | $(BIN)/python
	@echo "installing Sonometry into $(VENV) (once, a minute or two) ..."
	@$(PIP) install -e .
	@echo "$(CURDIR)" > $@

$(VENV)/.dev: pyproject.toml | $(BIN)/python
	@echo "installing Sonometry with all that tests need into $(VENV) (once, some minutes: torch is large) ..."
	@$(PIP) install -e '.[train,service,dev]'
	@$(OCR)
	@echo "$(CURDIR)" > $(VENV)/.plain
	@touch $@

# rapidocr asks for plain opencv-python, which would overwrite the headless build: install it without its dependencies.
OCR = $(PIP) install --no-deps rapidocr-onnxruntime==1.4.4 && $(PIP) install pyclipper Shapely PyYAML six tqdm Pillow

install: $(VENV)/.plain
install-dev: $(VENV)/.dev

demo: $(VENV)/.plain ## simulate one recording of every kind, measure it, write one report
	@$(BIN)/sonometry demo --out $(OUT)

test: $(VENV)/.dev ## the fast tests
	@$(PYTEST) -n auto --maxprocesses 4 --dist loadgroup

slow: $(VENV)/.dev ## tests marked slow or peers; status 5 means that there are none
	@$(PYTEST) -m 'slow or peers' || [ $$? -eq 5 ]

lint: $(VENV)/.dev
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/codespell src tests docs benchmarks README.md CHANGELOG.md CONTRIBUTING.md

types: $(VENV)/.dev
	@$(BIN)/mypy

layers: $(VENV)/.dev
	@$(BIN)/lint-imports

check: lint types layers test ## all that must hold before a commit is shared

review: $(VENV)/.plain ## measure the real recordings of ../shared/data into the ignored folder review/, to be looked at
	@$(BIN)/python benchmarks/review.py --out review

pictures: $(VENV)/.plain ## the pictures of README and docs, from recordings whose licence allows it
	@$(BIN)/python benchmarks/review.py --only arm --out review --picture docs/pictures/arm_strain.png

reference: $(VENV)/.plain ## docs/reference/cli.md, from the commands themselves
	@$(BIN)/python -m sonometry.cli.reference > docs/reference/cli.md.new && mv docs/reference/cli.md.new docs/reference/cli.md

clean:
	rm -rf $(VENV) $(OUT) review build dist .pytest_cache .mypy_cache .ruff_cache .import_linter_cache
