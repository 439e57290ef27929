# What people type: make demo, make test. Everything is made in .venv and build; nothing else is needed than Python, make and a C++ compiler.

PYTHON ?= python3
VENV := .venv
RUN := $(VENV)/bin/python
PIP := $(RUN) -m pip --disable-pip-version-check --quiet
SHELL := /bin/bash
TORCH_VERSION := 2.13.0

.PHONY: help install test test-long test-wide sanitize windows-check demo lint bench wheel wheel-smoke test-wheel clean force
.DEFAULT_GOAL := help

help:
	@echo "make demo          train small networks on handwritten digits and draw their frontier"
	@echo "make install       build issun into $(VENV)"
	@echo "make test          run the tests (TORCH=1: also those against PyTorch)"
	@echo "make test-long     the checks that take minutes: damaged files by the thousand, all of MNIST as PNG files"
	@echo "make test-wide     the 16-lane code of AVX-512 on a machine without it"
	@echo "make sanitize      the compiled core under the address, undefined-behaviour and thread sanitizers"
	@echo "make windows-check the compiled core built by MinGW for Windows, and run under Wine"
	@echo "make lint          ruff and mypy"
	@echo "make bench         the same networks in issun, Keras and PyTorch"
	@echo "make wheel         wheels for Linux in dist, checked (make wheel ARCHITECTURES=x86_64: those of one processor)"
	@echo "make wheel-smoke   the wheels of this machine, in fresh environments"
	@echo "make test-wheel    the wheels on bare systems, x86-64 and arm64 under QEMU: as root on Debian, minutes"
	@echo "make clean         remove everything that was made"
	@echo "Another Python than python3: make PYTHON=python3.12 …"

# Which Python files there are: an editable installation knows only those that it found, so a new one asks for a new installation.
$(VENV)/sources: force
	@mkdir -p $(VENV)
	@find src -name '*.py' | sort > $@.new
	@cmp -s $@.new $@ && rm $@.new || mv $@.new $@

$(VENV)/ready:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
		|| { echo "issun needs Python 3.11 or newer, and $(PYTHON) is not: install it, or name it with make PYTHON=python3.12" >&2; exit 1; }
	@[ -n "$$CXX" ] || command -v c++ g++ clang++ >/dev/null \
		|| { echo "issun needs a C++ compiler and found none: install g++ or clang (Debian: apt install g++; macOS: xcode-select --install)" >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV) \
		|| { echo "$(PYTHON) -m venv failed: install its package (Debian: apt install python3-venv)" >&2; exit 1; }
	@$(PIP) install "scikit-build-core>=0.11" "nanobind>=2.4" "cmake>=3.20" ninja
	@touch $@

$(VENV)/installed: $(VENV)/ready $(VENV)/sources pyproject.toml CMakeLists.txt $(wildcard native/*)
	@echo "building issun into $(VENV) …"
	@$(PIP) install --no-build-isolation -e ".[test]"
	@touch $@

$(VENV)/linters: $(VENV)/installed
	@$(PIP) install --no-build-isolation -e ".[test,lint]"
	@touch $@

install: $(VENV)/installed

# PyTorch is an oracle in some tests; without it they are skipped, and say so. It is large, so it is asked for.
test: $(VENV)/installed
ifneq ($(filter true 1,$(CI) $(TORCH)),)
	@$(RUN) -c "import torch" 2>/dev/null \
		|| $(PIP) install "torch==$(TORCH_VERSION)" \
		|| echo "PyTorch could not be installed; the tests against it are skipped" >&2
endif
	$(RUN) -m pytest

# What takes minutes, run before a change is done. Its seconds are printed, not judged: other programs may be running.
test-long: $(VENV)/installed
	$(RUN) -m pytest -m long -rP --durations=0

# The 16-lane operators, which machines without AVX-512 never run, compiled without it: slow, and before a change of the core is done.
test-wide: $(VENV)/installed
	@$(PIP) install --no-build-isolation -e ".[test]" -Ccmake.define.ISSUN_EMULATED=ON
	ISSUN_ISA=emulated $(RUN) -m pytest tests/test_native_against_reference.py tests/test_engine_contract.py

# Every operator, recipe and shape, with each instruction set of this machine: minutes, before a change of the core is done.
sanitize: $(VENV)/installed
	$(RUN) tests/sanitizing.py

# The same networks in a Windows program, with each instruction set of this machine. Needs MinGW and Wine, and says how to get them.
windows-check: $(VENV)/installed
	$(RUN) tests/windows.py

lint: $(VENV)/linters
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check .
	$(RUN) -m mypy
	$(RUN) -m mypy --platform win32 --cache-dir .mypy_cache/win32

demo: $(VENV)/installed
	@mkdir -p build/demo
	$(RUN) -m issun sweep digits "conv n, conv n, pool, dense" "conv n same, pool, conv 2n same, pool, dense" "dense n, dense" \
		n=1..32*2 --seeds 5 --target 95% --study build/demo/digits.sqlite

# In an environment of its own: Keras and TensorFlow are peers, no part of issun. Options: make bench BENCH="--rounds 3".
bench: $(VENV)/ready
	@$(PYTHON) -m venv build/bench
	@build/bench/bin/python -m pip --disable-pip-version-check --quiet install . -r benchmarks/requirements-peers.txt
	build/bench/bin/python benchmarks/peers.py $(BENCH)

# In an environment of its own, whose packages are no part of issun either. The Pythons that wheels are built for are found by themselves.
ARCHITECTURES ?= x86_64 aarch64

build/wheels/ready: wheels/requirements.txt
	@$(PYTHON) -m venv build/wheels/env
	@build/wheels/env/bin/python -m pip --disable-pip-version-check --quiet install -r wheels/requirements.txt
	@touch $@

wheel: build/wheels/ready
	build/wheels/env/bin/python wheels/make_wheels.py --architectures $(ARCHITECTURES) $(WHEEL)

# Each wheel in dist that this machine can run, in a fresh environment outside this folder.
wheel-smoke:
	$(PYTHON) wheels/smoke.py

# That, the sdist, and the wheels on bare systems of both architectures, compared with the build in $(VENV).
test-wheel: $(VENV)/installed
	$(PYTHON) wheels/smoke.py --sdist
	$(RUN) wheels/machines.py

clean:
	rm -rf build dist $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
