# Everything works inside .venv and needs only Python (3.11 or later) and make.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# What is imported is compiled once, not again in every process, whatever the environment says.
export PYTHONDONTWRITEBYTECODE :=
INSTALL := $(BIN)/uv pip install --quiet --python $(BIN)/python --constraint constraints.txt
PHOTO_PACKAGES := scikit-image==0.26.0 foolbox==3.3.4

.PHONY: demo check test pytest coverage arm android ios docs release lint clean

demo: $(VENV)/.demo
	@$(BIN)/python -m tools.demo

# What needs no target's packages and takes no seconds: quick enough for every commit.
check: $(VENV)/.installed lint
	$(BIN)/pytest --numprocesses 2 --dist loadfile -m 'not backend and not slow'

# Types are checked beside the first tests.
test: $(VENV)/.installed
	@$(MAKE) --no-print-directory --jobs 2 lint pytest

pytest: $(VENV)/.installed
	@# In order: the Android app and the benchmarks take longest, and begin first. Three processes on
	@# two cores: some tests wait for servers, children and timers.
	$(BIN)/pytest --numprocesses 3 --dist loadfile --no-loadscope-reorder --durations 15

# The same tests, and which lines of the code they run; tracing makes them half as slow again.
coverage: $(VENV)/.installed
	$(BIN)/pytest --numprocesses 2 --dist loadfile --no-loadscope-reorder --cov

# Emulated ARM: gathers QEMU, Debian's arm64 libraries and the runtimes first, into the user's cache.
arm: $(VENV)/.installed
	$(BIN)/mobilevit-bench arm
	ARM_RECORD=all $(BIN)/pytest -rs tests/benchmarks/arm

# The Android app compiled, tested on the JVM against Python, packed: fetches its tools into the cache first.
android: $(VENV)/.installed
	$(BIN)/python -m tools.android.check

# The iOS app's Swift built and tested in a small Debian 13, which it makes first, in the cache; needs root.
ios: $(VENV)/.installed
	$(BIN)/python -m tools.ios.check

# The documents as a site that opens from a disk; a link that leads nowhere fails.
docs: $(VENV)/.installed
	$(BIN)/python -m sphinx --builder html --fail-on-warning --keep-going --quiet docs site
	@echo "site/index.html"

# sdist and wheel, installed and used on the lowest and the highest Python, or on PYTHONS="3.11 3.12".
release: $(VENV)/.installed
	$(BIN)/python -m tools.release $(PYTHONS)

lint: $(VENV)/.installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/zizmor --offline --quiet .github/workflows
	$(BIN)/check-jsonschema --builtin-schema vendor.github-workflows .github/workflows/*.yml

# torch first, by pip, which finds builds that lie on the machine; uv installs the rest, faster.
# Compiling all of torch takes longer than the parts that are imported do.
$(VENV)/.torch: constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --no-compile --constraint constraints.txt torch uv
	@touch $@

$(VENV)/.installed: $(VENV)/.torch pyproject.toml excludes.txt
	$(INSTALL) --excludes excludes.txt --editable '.[dev]'
	@touch $@

# One target alone; of the photos' packages the wheels, since their photos are all that is used.
$(VENV)/.demo: $(VENV)/.torch pyproject.toml
	$(INSTALL) --editable '.[onnx]'
	$(INSTALL) --no-deps $(PHOTO_PACKAGES)
	@touch $@

clean:
	rm -rf $(VENV) demo_run site build dist *.egg-info .coverage .mypy_cache .ruff_cache .pytest_cache .hypothesis
