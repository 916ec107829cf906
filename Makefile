# Needs Python 3.11 or newer and make; uses uv where it is installed. `make help` lists what there is.

PYTHON ?= python3
BIN := .venv/bin
DOCS = $(wildcard README.md) $(shell find docs -name '*.md' 2>/dev/null | sort)

# Half as many workers again as cores: a worker that waits for a server or a process leaves its core to another one.
# One that has nothing left to do takes tests from another one's end: the long tests come first (tests/conftest.py).
CORES := $(shell getconf _NPROCESSORS_ONLN 2>/dev/null || echo 2)
WORKERS = $(shell echo $$(($(CORES) + $(CORES) / 2)))
PARALLEL = -n $(WORKERS) --dist worksteal

# Stamps: an environment is set up once and again only when what it was made from has changed.
DEMO := .venv/ready-for-demo
DEV := .venv/ready-for-development

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help demo test slow node check fix docs site serve pictures bench evidence golden cassettes mutants soak fuzz campaign faults migrations engines lowest pythons coverage wheel sbom workflows sdks requirements clean

help: ## list the targets
	@sed -n 's/^\([a-z]*\):.*## /make \1	/p' Makefile | expand -t 20

demo: $(DEMO) ## every provider, over real HTTP, against the emulators: no key, no account
	@$(BIN)/invoice-bridge demo
	@command -v invoice-bridge >/dev/null 2>&1 || echo "invoice-bridge is in .venv: first run  . .venv/bin/activate"

test: $(DEV) ## run the tests, but the slow ones
	$(BIN)/python -m pytest -q $(PARALLEL) --part fast

slow: $(DEV) ## run the slow tests: browsers, other programs, processes that are killed
	@! command -v npm >/dev/null 2>&1 || $(MAKE) -s node || echo "the SDKs for Node cannot be installed: their tests skip" >&2
	$(BIN)/python -m pytest -q $(PARALLEL) --part slow

node: tests/node/node_modules/ready ## install the official SDKs for Node, for the slow tests of the emulators

tests/node/node_modules/ready: tests/node/package.json tests/node/package-lock.json
	@echo "installing tests/node/package-lock.json into tests/node/node_modules"
	@cd tests/node && npm ci --silent --ignore-scripts --no-audit --no-fund --omit-lockfile-registry-resolved
	@touch $@

check: $(DEV) ## format, lint, types, generated docs; changes nothing
	@$(TREE) > .venv/tree-before-check
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy
	$(BIN)/pyright
	$(BIN)/python -m cogapp --check --diff --verbosity=1 --check-fail-msg="run: make docs" $(DOCS)
	@$(TREE) | cmp -s - .venv/tree-before-check || { echo "make check changed files: see git status" >&2; exit 1; }

fix: $(DEV) ## format, and mend what ruff can mend
	$(BIN)/ruff check --fix-only
	$(BIN)/ruff format

docs: $(DEV) ## print the tables into the documentation and the shells' completion again
	$(BIN)/python -m cogapp -r -U --verbosity=1 $(DOCS)
	$(BIN)/python -m tools.completion

site: $(DEV) ## build the documentation site into build/site, which opens from disk
	$(BIN)/python tools/site.py
	$(BIN)/zensical build --strict -f build/zensical.toml

serve: $(DEV) ## serve the documentation site on 127.0.0.1:8000 (PORT=)
	$(BIN)/python tools/site.py
	$(BIN)/zensical serve -f build/zensical.toml -a 127.0.0.1:$(or $(PORT),8000)

pictures: $(DEV) ## draw what the program prints, for the README and the site (docs/pictures)
	$(BIN)/python tools/pictures.py

bench: .venv-bench/ready ## measure the library against its peers and its gates; writes docs/benchmarks.md (a quarter of an hour)
	.venv-bench/bin/python benchmarks/run.py

.venv-bench/ready: private BIN = .venv-bench/bin
.venv-bench/ready: requirements/bench.txt pyproject.toml | $(BIN)/python
	@echo "installing requirements/bench.txt into .venv-bench"
	@.venv/bin/python -m venv --clear .venv-bench
	@$(call install,requirements/bench.txt)
	@touch $@

evidence: $(DEV) ## run the tests, and write down what they prove (then: make docs)
	PYTEST_EVIDENCE=write $(BIN)/python -m pytest -q $(PARALLEL)

golden: $(DEV) ## write down anew what every adapter does (tests/golden); read the difference
	PYTEST_GOLDEN=write $(BIN)/python -m pytest -q tests/test_golden.py tests/test_courses.py

cassettes: $(DEV) ## record the cassettes anew, against the emulators
	$(BIN)/python -m invoice_bridge.cassettes cassettes

mutants: $(DEV) .venv-mutants/ready ## change adapters and core a token at a time: do the tests notice? (SEED=, SAMPLE=, TARGETS=, JOBS=)
	.venv-mutants/bin/python tools/mutants.py --python $(BIN)/python $(if $(SEED),--seed $(SEED)) $(if $(SAMPLE),--sample $(SAMPLE)) $(if $(JOBS),--jobs $(JOBS)) $(TARGETS) $(PROVIDERS)

.venv-mutants/ready: requirements/mutants.txt | $(BIN)/python
	@$(BIN)/python -m venv .venv-mutants
	@.venv-mutants/bin/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements/mutants.txt
	@touch $@

soak: fuzz campaign faults migrations ## hostile input, the independent campaign, the whole fault matrix, killed migrations: hours

fuzz: .venv-soak/ready ## feed hostile input to everything that reads what others write (RUNS=, SEED=, TARGETS=)
	.venv-soak/bin/python tools/fuzz.py --runs $(or $(RUNS),1000000) $(if $(SEED),--seed $(SEED)) $(TARGETS)

campaign: $(DEV) ## seeded cases against provider servers that share nothing with the library; first the control (CASES=, SEED=)
	$(BIN)/python tools/campaign.py --control --cases 100 $(if $(SEED),--seed $(SEED))
	$(BIN)/python tools/campaign.py --cases $(or $(CASES),2000) $(if $(SEED),--seed $(SEED))

faults: $(DEV) ## every fault at every request of every bill, with kill -9; first the control (SAMPLE=, SEED=, PROVIDERS=)
	$(BIN)/python tools/faults.py --control --sample 100 $(if $(SEED),--seed $(SEED)) $(PROVIDERS)
	$(BIN)/python tools/faults.py $(if $(SAMPLE),--sample $(SAMPLE)) $(if $(SEED),--seed $(SEED)) $(PROVIDERS)
	$(BIN)/python tools/faults.py --imports --control --sample 60 $(if $(SEED),--seed $(SEED)) stripe
	$(BIN)/python tools/faults.py --imports $(if $(SAMPLE),--sample $(SAMPLE)) $(if $(SEED),--seed $(SEED)) $(PROVIDERS)

migrations: $(DEV) ## migrations whose workers are killed, stopped and paced; first the control (KILLS=, STOPS=, RUNS=, SEED=)
	$(BIN)/python tools/migrations.py --control --kills 16 --stops 4 $(if $(SEED),--seed $(SEED))
	MIGRATIONS=whole $(BIN)/python -m pytest -q -n 0 tests/migrate/test_outages.py tests/migrate/test_planning_memory.py
	$(BIN)/python -m pytest -q -n 0 --hypothesis-profile=soak tests/migrate/test_history_is_no_charge.py -k pair
	$(BIN)/python -m pytest -q -n 0 --hypothesis-profile=soak tests/switch/test_one_period_one_provider.py
	$(BIN)/python tools/migrations.py --kills $(or $(KILLS),250) --stops $(or $(STOPS),200) $(if $(SEED),--seed $(SEED))
	$(BIN)/python tools/pairs.py --control --runs 4 --items 60 $(if $(SEED),--seed $(SEED))
	$(BIN)/python tools/pairs.py --runs $(or $(RUNS),50) $(if $(SEED),--seed $(SEED))

.venv-soak/ready: private BIN = .venv-soak/bin
.venv-soak/ready: requirements/soak.txt pyproject.toml | $(BIN)/python
	@echo "installing requirements/soak.txt into .venv-soak"
	@.venv/bin/python -m venv --clear .venv-soak
	@$(call install,requirements/soak.txt)
	@touch $@

lowest: .venv-lowest/ready ## run the tests with the lowest versions that the library and its extras ask for
	.venv-lowest/bin/python -m pytest -q $(PARALLEL) --part fast --ignore tests/mcp --ignore src/invoice_bridge/mcp $(LOWEST)

.venv-lowest/ready: private BIN = .venv-lowest/bin
.venv-lowest/ready: requirements/dev.txt requirements/lowest.txt pyproject.toml | $(BIN)/python
	@echo "installing requirements/dev.txt, and over it requirements/lowest.txt, into .venv-lowest"
	@.venv/bin/python -m venv --clear .venv-lowest
	@$(call install,requirements/dev.txt)
	@$(call install,requirements/lowest.txt)
	@touch $@

pythons: ## run the tests with each Python from 3.11 to 3.14 that is on PATH or in pyenv (VERSIONS=, PYTHONS=)
	@tried=0; for version in $(or $(VERSIONS),3.11 3.12 3.13 3.14); do \
	    for python in python$$version $(or $(PYENV_ROOT),$(HOME)/.pyenv)/versions/$$version.*/bin/python none; do \
	        "$$python" -c "import sys; sys.exit('%d.%d' % sys.version_info[:2] != '$$version')" >/dev/null 2>&1 && break; \
	    done; \
	    [ "$$python" != none ] || { echo "Python $$version: not on this machine, not tried"; continue; }; \
	    "$$python" --version; tried=$$((tried + 1)); \
	    [ -x .venv-$$version/bin/python ] || "$$python" -m venv .venv-$$version || exit; \
	    $(MAKE) -s BIN=.venv-$$version/bin .venv-$$version/ready || exit; \
	    .venv-$$version/bin/python -m pytest -q $(PARALLEL) $(or $(PYTHONS),--part fast) || exit; \
	done; \
	[ $$tried -gt 0 ] || { echo "no such Python is on this machine" >&2; exit 1; }

coverage: .venv-coverage/ready ## measure which lines and branches all tests reach, the slow ones too (COVERAGE=); pages in build/coverage
	rm -rf build/coverage
	.venv-coverage/bin/python -m coverage run -m pytest -q $(PARALLEL) $(COVERAGE)
	.venv-coverage/bin/python -m coverage combine -q
	.venv-coverage/bin/python -m coverage html -q --skip-covered
	.venv-coverage/bin/python -m coverage report

.venv-coverage/ready: private BIN = .venv-coverage/bin
.venv-coverage/ready: requirements/dev.txt requirements/coverage.txt pyproject.toml | $(BIN)/python
	@echo "installing requirements/dev.txt, and over it requirements/coverage.txt, into .venv-coverage"
	@.venv/bin/python -m venv --clear .venv-coverage
	@$(call install,requirements/dev.txt)
	@$(call install,requirements/coverage.txt)
	@touch $@

.venv-3.%/ready: requirements/dev.txt pyproject.toml
	@echo "installing requirements/dev.txt into $(@D)"
	@$(call install,requirements/dev.txt)
	@touch $@

wheel: .venv-release/ready .venv-floor/ready .venv-wheel/ready ## build the wheel and the sdist into dist, and test what they install, from the sdist (WHEEL=)
	.venv-release/bin/python tools/release.py $(PARALLEL) $(or $(WHEEL),--part fast)

sbom: .venv-release/ready .venv-floor/ready ## list what the library brings along, as CycloneDX, in build/sbom.json
	@mkdir -p build
	.venv-release/bin/cyclonedx-py environment --pyproject pyproject.toml --mc-type library --output-reproducible -o build/sbom.json .venv-floor/bin/python

workflows: .venv-release/ready ## audit .github/workflows, without the network
	.venv-release/bin/zizmor --offline --persona pedantic .github

.venv-release/ready: requirements/release.txt
	@echo "installing requirements/release.txt into .venv-release"
	@$(PYTHON) -m venv --clear .venv-release
	@.venv-release/bin/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements/release.txt
	@touch $@

# without pip, so that the environment and the SBOM have only what the library brings along
.venv-floor/ready: requirements/floor.txt .venv-release/ready
	@echo "installing requirements/floor.txt into .venv-floor"
	@$(PYTHON) -m venv --clear --without-pip .venv-floor
	@.venv-release/bin/python -m pip -q --disable-pip-version-check --python .venv-floor/bin/python install --require-hashes -r requirements/floor.txt
	@touch $@

.venv-wheel/ready: requirements/dev.txt
	@echo "installing requirements/dev.txt into .venv-wheel"
	@$(PYTHON) -m venv --clear .venv-wheel
	@.venv-wheel/bin/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements/dev.txt
	@touch $@

engines: .venv-engines/ready ## move pages under DBOS and Procrastinate, whose workers are killed
	.venv-engines/bin/python -m pytest -q -n 0 --durations=0 tests/migrate/test_other_engines.py

.venv-engines/ready: private BIN = .venv-engines/bin
.venv-engines/ready: requirements/dev.txt requirements/engines.txt pyproject.toml | $(BIN)/python
	@echo "installing requirements/dev.txt, and over it requirements/engines.txt, into .venv-engines"
	@.venv/bin/python -m venv --clear .venv-engines
	@$(call install,requirements/dev.txt)
	@$(call install,requirements/engines.txt)
	@touch $@

sdks: $(DEV) ## try every version of the official SDKs that the extras take
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(BIN)/python -m ensurepip >/dev/null
	$(BIN)/python tools/sdks.py

requirements: ## pin requirements/*.in again, with hashes and without addresses (needs uv)
	uv pip compile -q -U $(COMPILE) requirements/dev.in -o requirements/dev.txt
	uv pip compile -q -U $(COMPILE) requirements/mutants.in -o requirements/mutants.txt
	uv pip compile -q -U $(COMPILE) requirements/soak.in -o requirements/soak.txt
	uv pip compile -q -U $(COMPILE) requirements/bench.in -c requirements/dev.txt -o requirements/bench.txt
	uv pip compile -q -U $(COMPILE) requirements/engines.in -c requirements/dev.txt -o requirements/engines.txt
	uv pip compile -q -U $(COMPILE) --resolution lowest-direct requirements/lowest.in -o requirements/lowest.txt
	uv pip compile -q -U $(COMPILE) requirements/release.in -c requirements/dev.txt -o requirements/release.txt
	uv pip compile -q -U $(COMPILE) requirements/coverage.in -o requirements/coverage.txt
	uv pip compile -q $(COMPILE) requirements/floor.in -c requirements/dev.txt -o requirements/floor.txt
	uv pip compile -q $(COMPILE) requirements/demo.in -c requirements/dev.txt -o requirements/demo.txt

COMPILE = --universal --generate-hashes --no-header -p 3.11

clean: ## remove .venv, caches and builds
	rm -rf .venv .venv-3.* .venv-bench .venv-coverage .venv-engines .venv-floor .venv-lowest .venv-mutants .venv-release .venv-soak .venv-wheel .fuzz .hypothesis .mypy_cache .pytest_cache .ruff_cache build dist tests/node/node_modules
	find src tests -name __pycache__ -prune -exec rm -rf {} +

# What git sees of the work tree, as one number: the same before and after `make check`.
TREE = { git status --porcelain; git diff; } 2>/dev/null | cksum

$(DEV): requirements/dev.txt pyproject.toml | $(BIN)/python
	@echo "installing requirements/dev.txt into .venv"
	@$(call install,requirements/dev.txt)
	@touch $(DEMO) $(DEV)

$(DEMO): requirements/demo.txt pyproject.toml | $(BIN)/python
	@echo "installing requirements/demo.txt into .venv"
	@$(call install,requirements/demo.txt)
	@touch $(DEMO)

# $(1): the requirements. The project itself comes last: editable, and built with the pinned backend just installed.
define install
if command -v uv >/dev/null 2>&1; then pip="uv pip"; flags="--python $(BIN)/python"; \
else pip="$(BIN)/python -m pip"; flags="--disable-pip-version-check"; \
    $$pip --version >/dev/null 2>&1 || $(BIN)/python -m ensurepip >/dev/null; fi; \
$$pip install -q $$flags --require-hashes -r $(1) && \
$$pip install -q $$flags --no-deps --no-build-isolation -e .
endef

# The first Python that fits, by running it: a name on PATH may be a stub. Without uv it also needs venv and pip.
$(BIN)/python:
	@rm -rf .venv; \
	if command -v uv >/dev/null 2>&1; then with=sys; else with=ensurepip,venv,sys; fi; \
	for python in "$(PYTHON)" python3.14 python3.13 python3.12 python3.11; do \
	    "$$python" -c "import $$with; sys.exit(not sys.version_info >= (3, 11))" >/dev/null 2>&1 || continue; \
	    if [ $$with = sys ]; then uv venv -q --python "$$(command -v "$$python")" .venv; else "$$python" -m venv .venv; fi; \
	    exit; \
	done; \
	echo "invoice_bridge needs Python 3.11 or newer with venv and pip, and found none on PATH (or say which: make PYTHON=…)" >&2; \
	exit 1
