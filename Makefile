# make demo    set up and evaluate the embedded example        make test       set up and run the tests
# make check   lint, types, import contracts                   make test-slow  whole reference tables, kill -9, the wheel
# make gate    compare the example with the committed baseline make test-browser  the HTML report in Chromium (Debian: chromium, npm)
# make test COVERAGE=1  and fail below 90 % of lines covered, which takes half as long again
# make bench   speed, memory, error rates against their limits make lock       write constraints.txt anew
# make bench-api  pace and recorded latency of API rerankers: about five minutes
# make bench-figures  what the manual says of cut documents and estimated tokens: about six minutes
# make bench-scale  BM25 and dense search over a million documents: about five minutes
# Another interpreter: make demo PYTHON=python3.12

VENV := .venv
BIN := $(VENV)/bin
PYTHON ?= $(shell for python in python3 python3.11 python3.12 python3.13; do \
	$$python -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null && echo $$python && break; done)
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt

.PHONY: demo gate test test-slow test-browser check bench bench-api bench-figures bench-scale lock clean
.DELETE_ON_ERROR:

demo: $(VENV)/.demo
	@$(BIN)/python -m rerank_eval
	@$(BIN)/python -m rerank_eval report
	@echo "next: . $(VENV)/bin/activate && python -m rerank_eval --help"

gate: $(VENV)/.demo
	rm -rf reports/gate
	$(BIN)/python -m rerank_eval +experiment=quickstart latency.queries=0 output_dir=reports/gate
	$(BIN)/python -m rerank_eval compare experiments/baselines/helpdesk.json reports/gate/quickstart/helpdesk/*Z

PARALLEL := --numprocesses auto --dist worksteal

test: $(VENV)/.dev
	$(BIN)/python -m pytest -m "not slow and not browser" $(PARALLEL) $(if $(COVERAGE),--cov --cov-report=term:skip-covered --cov-fail-under=90)

test-slow: $(VENV)/.dev
	$(BIN)/python -m pytest -m "slow and not browser" $(PARALLEL)

test-browser: $(VENV)/.dev
	$(BIN)/python -m pytest -m browser

check: $(VENV)/.dev
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(VENV)/.dev
	$(BIN)/python benchmarks/startup.py
	$(BIN)/python benchmarks/speed.py
	$(BIN)/python benchmarks/memory.py
	$(BIN)/python benchmarks/report.py
	$(BIN)/python benchmarks/gate.py

bench-api: $(VENV)/.dev
	$(BIN)/python benchmarks/api_latency.py
	$(BIN)/python benchmarks/api_pace.py

bench-figures: $(VENV)/.dev
	$(BIN)/python benchmarks/token_estimate.py
	$(BIN)/python benchmarks/cut_documents.py

# 1,000,000 documents each; with --documents 8841823, as many as MS MARCO has passages, the two take about an hour
bench-scale: $(VENV)/.dev
	$(BIN)/python benchmarks/bm25_scale.py
	$(BIN)/python benchmarks/dense_search.py

$(VENV)/bin/python:
	@test -n "$(PYTHON)" || { echo "rerank_eval needs Python 3.11, 3.12 or 3.13; none was found. make PYTHON=/path/to/python"; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.demo: pyproject.toml constraints.txt | $(VENV)/bin/python
	@echo "installing rerank-eval into $(VENV) (a minute or two the first time)"
	$(PIP) --editable '.[bundled,report]'
	@touch $@

$(VENV)/.dev: pyproject.toml constraints.txt | $(VENV)/bin/python
	@echo "installing rerank-eval and its development tools into $(VENV) (a few minutes the first time)"
	$(PIP) --editable '.[dev]'
	@touch $@ $(VENV)/.demo

lock: $(VENV)/.dev
	{ echo "# Versions that 'make' installs: known to work together, Python 3.11-3.13, CPU. Made by: make lock"; \
	  $(BIN)/python -m pip freeze --exclude-editable | sed 's/+cpu$$//'; } > constraints.txt

clean:
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis .coverage*
