# make demo   sets up, then shows small requests answered while 64 MiB objects are stored
# make test   sets up, then runs the fast tests
# make bench  sets up with the peers, then measures this machine (QUICK=1 for a short look)
# make lint   ruff, mypy, clang-format, clang-tidy, cppcheck        make fuzz   the fuzzers, FUZZ_SECONDS each (default 600)
# make clean  removes what was built and set up
#
# Setting up makes .venv and builds the C core in place. What Debian must have for it is installed when you are root and
# apt-get is there; else you are told. PY=/path/to/python uses an interpreter that has everything already.

PYTHON ?= python3
VENV := .venv
FUZZ_SECONDS ?= 600
PYTEST_ARGS ?=
SOURCES := setup.py pyproject.toml $(wildcard csrc/*.c csrc/*.h csrc/*.py)

ifdef PY
READY = $(VENV)/none
else
PY := $(VENV)/bin/python
READY = $(VENV)/ready-$(1)
endif

.PHONY: all demo test test-slow bench lint fuzz clean setup
.DEFAULT_GOAL := all

all:
	@sed -n '1,9s/^# \{0,1\}//p' Makefile

setup: $(call READY,plain)

demo: $(call READY,plain)
	@$(PY) -m pvsched demo $(DEMO_ARGS)

test: $(call READY,test)
	$(PY) -m pytest -m "not slow and not board" --ignore=tests/benchmarks $(PYTEST_ARGS)

test-slow: $(call READY,test)
	$(PY) -m pytest -m "slow and not board" --ignore=tests/benchmarks $(PYTEST_ARGS)

bench: $(call READY,bench)
	@$(PY) -m pvsched bench $(if $(QUICK),--quick) $(BENCH_ARGS)

lint: $(call READY,dev)
	@.ci/lint $(PY)

fuzz: $(call READY,dev)
	FUZZ_SECONDS=$(FUZZ_SECONDS) $(PY) -m pytest tests -k fuzz --ignore=tests/benchmarks $(PYTEST_ARGS)

clean:
	rm -rf $(VENV) build *.egg-info pvsched/_core*.so pvsched/_core.c .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# -- setting up -----------------------------------------------------------------------------------

# By a path alone: the finder that is the default imports 2 MB and 10 ms into every Python of this environment.
EDITABLE := install --quiet --disable-pip-version-check --config-settings editable_mode=compat
# As an installed wheel is, whatever PYTHONDONTWRITEBYTECODE says: start-up and memory are what a user gets.
COMPILED := $(VENV)/bin/python -m compileall -q pvsched

# What building takes of Debian: a compiler, Python's header and its venv. Missing ones are installed, or named.
define PACKAGES
if command -v gcc >/dev/null && $(PYTHON) -c 'import ensurepip, os, sysconfig, sys; \
    sys.exit(sys.version_info < (3, 10) or not os.path.exists(sysconfig.get_path("include") + "/Python.h"))' 2>/dev/null; \
then :; \
elif [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
    echo "setup: installing gcc libc6-dev python3-dev python3-venv with apt-get"; \
    export DEBIAN_FRONTEND=noninteractive; apt-get -qq update; \
    apt-get -qq install --no-install-recommends gcc libc6-dev python3 python3-dev python3-venv >/dev/null || exit 1; \
else \
    echo "setup: Python 3.10 or later, its header and venv, and a C compiler are needed." >&2; \
    echo "  next: sudo apt-get install gcc libc6-dev python3 python3-dev python3-venv" >&2; \
    exit 1; \
fi
endef

$(VENV)/none:
	@:

$(VENV)/ready-plain: $(SOURCES) | $(VENV)/bin/python
	@echo "setup: building the C core and installing pvsched into $(VENV)"
	@$(VENV)/bin/python -m pip $(EDITABLE) -e .
	@$(COMPILED)
	@touch $@

$(VENV)/ready-%: $(SOURCES) | $(VENV)/bin/python
	@echo "setup: building the C core and installing pvsched with what '$*' needs into $(VENV)"
	@$(VENV)/bin/python -m pip $(EDITABLE) -e '.[test,$*]'
	@$(COMPILED)
	@touch $@ $(VENV)/ready-plain

$(VENV)/bin/python:
	@$(PACKAGES)
	@echo "setup: making $(VENV) with $$($(PYTHON) --version)"
	@$(PYTHON) -m venv $(VENV)
