# make demo    install into .venv and run the main jobs on crystals that come with the package
# make train   train a small model on the data set that comes with the package
# make test    install into .venv with the test tools and run the tests
# make lint    check style and types
# make docs    build the documentation into docs/_build/html
#
# A fresh machine needs Python 3.11 or newer and make. Another environment: make test VENV=path

PYTHON ?= python3
VENV ?= .venv
DEMO ?= demo-output
TRAINED ?= trained
EPOCHS ?= 15
WORKERS ?= 2

BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check install -c constraints/cpu.txt
SOURCES := $(shell find src core -type f ! -name '*.pyc' 2>/dev/null) \
	pyproject.toml CMakeLists.txt constraints/cpu.txt

.PHONY: demo train test lint docs clean

demo: $(VENV)/.installed
	$(BIN)/madelung predict example:NaCl example:CsCl example:CaF2 example:TiO2
	$(BIN)/madelung predict example:NaCl example:CsCl example:CaF2 example:TiO2 --model band-gap
	$(BIN)/madelung sums example:NaCl example:CsCl example:CaF2 example:TiO2 \
		--tolerance 1e-12 --plot $(DEMO)/
	@echo "The pictures are in $(DEMO)/."

train: $(VENV)/.installed
	$(BIN)/madelung train example:jarvis --target formation_energy_peratom --out $(TRAINED) \
		--features 64 --epochs $(EPOCHS) --batch-size 32 --learning-rate 2e-3
	@echo "Look at $(TRAINED)/test-formation_energy_peratom.png."

test: $(VENV)/.installed-test
	$(BIN)/python -m pytest -n $(WORKERS) tests

lint: $(VENV)/.installed-test
	$(BIN)/python -m ruff check .
	$(BIN)/python -m ruff format --check .
	$(BIN)/python -m mypy
	$(BIN)/lint-imports --no-cache

docs: $(VENV)/.installed-docs
	$(BIN)/python -m sphinx -W --keep-going -b html docs docs/_build/html

clean:
	rm -rf $(VENV) $(DEMO) $(TRAINED) docs/_build build dist

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else \
		"Madelung needs Python 3.11 or newer; this is " + sys.version.split()[0] + \
		". Name another: make PYTHON=python3.12 ...")'
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: $(SOURCES) | $(BIN)/python
	$(PIP) .
	@touch $@

# The test installation holds the plain one, so that demo after test installs nothing again.
$(VENV)/.installed-test: $(SOURCES) | $(BIN)/python
	$(PIP) '.[test]'
	@touch $(VENV)/.installed $@

$(VENV)/.installed-docs: $(SOURCES) | $(BIN)/python
	$(PIP) '.[docs]'
	@touch $@
