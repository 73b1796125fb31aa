# The words of this house. Every line of a recipe is one that you could type yourself; .ci/run calls the same words.
#   make setup   a virtual environment in .venv, with camelid and its tools in it
#   make demo    raise a pair from the built-in corpus, compare the two, choose, let them answer
#   make test    the tests               make check   format, lint, types, house rules
#   make bench   the benchmarks          make docs    the generated pages and blocks, from the stored results
#   make sanitize   the native engine's tests on a build that notices every wrong read and undefined step
#   make bench PEERS=folder   the native engine's too, against peers in that environment (benchmarks/native.py)
# Another Python: make setup PYTHON=python3.12. Where packages come from is pip's own setting.

PYTHON ?= python3
BIN := .venv/bin
INSTALLED := .venv/.installed

.PHONY: setup demo test check bench docs sanitize

setup: $(INSTALLED)

demo: $(INSTALLED)
	$(BIN)/camelid train recipes/quick.toml
	$(BIN)/camelid info pairs/demo
	$(BIN)/camelid samples pairs/demo
	$(BIN)/camelid calibrate pairs/demo --llama-share 0.3
	$(BIN)/camelid generate pairs/demo 'What tells a llama from an alpaca?' --model auto
	$(BIN)/camelid compare pairs/demo
	$(BIN)/camelid choose pairs/demo
	@echo "To talk with the pair: $(BIN)/camelid chat pairs/demo"
	@echo "To open the page, with both side by side: $(BIN)/camelid serve pairs/demo, then http://localhost:8000"

test: $(INSTALLED)
	$(BIN)/python -m pytest

check: $(INSTALLED)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/python -m pytest tests/test_house.py

bench: $(INSTALLED)
	$(BIN)/python benchmarks/throughput.py
	$(BIN)/python benchmarks/quick.py pairs/demo
	$(BIN)/python benchmarks/native.py $(PEERS:%=--peers %)
	$(BIN)/python benchmarks/interval_coverage.py pairs/demo
	$(BIN)/python benchmarks/guarantee.py
	$(BIN)/python benchmarks/serving.py $(PEERS:%=--peers %)
	$(BIN)/python benchmarks/loading.py
	$(BIN)/python benchmarks/docs.py

docs: $(INSTALLED)
	$(BIN)/python benchmarks/docs.py

# AddressSanitizer has to be there before Python is; what Python itself never gives back is no leak of ours.
SANITIZED := build/sanitized
sanitize: $(INSTALLED)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check nanobind
	cmake -S . -B $(SANITIZED) -DPython_EXECUTABLE=$(CURDIR)/$(BIN)/python -DCAMELID_SANITIZE=ON > /dev/null
	cmake --build $(SANITIZED) --parallel > /dev/null
	CAMELID_NATIVE=$$(echo $(CURDIR)/$(SANITIZED)/_native*.so) ASAN_OPTIONS=detect_leaks=0 \
	  LD_PRELOAD="$$(g++ -print-file-name=libasan.so) $$(g++ -print-file-name=libubsan.so)" \
	  $(BIN)/python -m pytest tests/native

# A second run does nothing unless pyproject.toml or the native engine's sources have changed.
$(INSTALLED): pyproject.toml CMakeLists.txt $(wildcard camelid/native/src/*)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "camelid needs Python 3.11 or later; $(PYTHON) is not. Try: make setup PYTHON=python3.12"; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2> /dev/null || \
	  { echo "Python's venv module is missing. On Debian or Ubuntu: sudo apt-get install python3-venv"; exit 1; }
	@{ command -v g++ || command -v clang++; } > /dev/null && test -f "$$($(PYTHON) -c 'import sysconfig; print(sysconfig.get_path("include"))')/Python.h" || \
	  echo "No C++ compiler, or no Python headers: all works, but slower. On Debian or Ubuntu: sudo apt-get install g++ python3-dev"
	@$(BIN)/python -m pip --version > /dev/null 2>&1 || $(PYTHON) -m venv .venv
	@echo "Installing camelid and what it needs into .venv; torch is large, so this may take some minutes."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[train,data,eval,harness,dev]'
	@touch $@
