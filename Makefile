# Two commands matter: `make run` and `make test`. Both set themselves up on a machine with Python 3.11 and make.
SHELL := /bin/bash
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: help
help:  ## show this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 14

$(STAMP): requirements-bootstrap.lock requirements.lock pyproject.toml
	@echo "setting up $(VENV) (about 1.7 GB: Flink, ClickHouse engine, Valkey, Java runtime); first time only"
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(0 if v == (3, 11) else f"livetags needs Python 3.11, got {v[0]}.{v[1]}: set PYTHON=/path/to/python3.11")'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements-bootstrap.lock
	@$(BIN)/uv pip install -q --python $(BIN)/python --require-hashes -r requirements.lock
	@$(BIN)/uv pip install -q --python $(BIN)/python --no-deps --no-build-isolation -e .
	@touch $@

.PHONY: setup
setup: $(STAMP)  ## virtual environment with every dependency, pinned with hashes

FEED ?= city
CITY := .livetags/city
# long enough for habits to be learnt and for their changes, which are planted in mid-period, to be noticed
CITY_SIZE ?= --subscribers 150 --days 60 --seed 1
HOUSEHOLD := .livetags/input/household.jsonl

.PHONY: run
run: $(STAMP)  ## stream a simulated city through all feeds and show people beside the truth; FEED=household: real data
	@case "$(FEED)" in city|household) ;; *) echo "FEED is city or household, got $(FEED)"; exit 2;; esac
	@$(BIN)/livetags up
	@$(MAKE) --no-print-directory run-$(FEED)

.PHONY: run-city
run-city:
	@test -d $(CITY)/truth || $(BIN)/livetags city --out $(CITY) $(CITY_SIZE) --use
	@$(BIN)/livetags rules publish scenes
	@$(BIN)/livetags run profile_update --feed all --input $(CITY)
	@$(BIN)/livetags triggers
	@$(BIN)/livetags truth $(CITY) --people 3
	@$(BIN)/livetags drifted $(CITY) --people 3 || test $$? -eq 1  # a small city may have none
	@echo
	@echo "Try next:"
	@echo "  $(BIN)/livetags assess $(CITY)       how well cleaning and tags find the truth (about a minute)"
	@echo "  $(BIN)/livetags scenes $(CITY)       what the scenes fired beside what really arose (about a minute)"
	@echo "  $(BIN)/livetags drift USER                   how a person changed, day by day; --out FILE.svg draws it"
	@echo "  $(BIN)/livetags verify                       recompute every profile the slow way and compare both stores (about a minute)"
	@echo "  $(BIN)/livetags catalogue                    every tag: meaning, sources, half-life, purpose, sensitivity"
	@echo "  $(BIN)/livetags rejects                      what could not be used, and why"
	@echo "  $(BIN)/livetags export USER                  everything held of one person; erase USER takes it away, for good"
	@echo "  make run FEED=household                      a year of purchases of 2,469 households, third-party data"
	@echo "  $(BIN)/livetags down                         stop the stores; data stays in .livetags/"

.PHONY: live
live: $(STAMP)  ## a job that runs for ever, over a city that lives now: publish rules and see them fire; Ctrl-C ends it
	@$(BIN)/livetags live

.PHONY: run-household
run-household:
	@test -f $(HOUSEHOLD) || $(BIN)/livetags sample household --out $(HOUSEHOLD)
	@$(BIN)/livetags run profile_update --feed household --input $(HOUSEHOLD)
	@for user in 900 1228 906; do $(BIN)/livetags tags $$user --top 6; done
	@echo
	@echo "Try next:"
	@echo "  $(BIN)/livetags verify                             recompute every profile the slow way and compare both stores (about a minute)"
	@echo "  $(BIN)/livetags tags 900 --at 2017-06-30T12:00     the same person half a year earlier, from ClickHouse"
	@echo "  $(BIN)/livetags rejects                            what could not be used, and why"
	@echo "  $(BIN)/livetags status --json                      where Redis and ClickHouse are, for your own client"
	@echo "  $(BIN)/livetags down                               stop the stores; data stays in .livetags/"

.PHONY: check
check: $(STAMP)  ## style, types, layers, protobuf
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo 2>/dev/null || $(BIN)/lint-imports
	@$(BIN)/buf lint
	@$(BIN)/buf breaking --against ".git#ref=$$(git rev-parse -q --verify origin/main || git rev-parse HEAD)"

.PHONY: test-fast
test-fast: $(STAMP)  ## the tests that need no server and no Flink
	@$(BIN)/python -m pytest -m "not stores and not flink and not kafka"

.PHONY: test
test: check test-fast  ## everything: checks, then tests with real stores, a real broker and real Flink
	@$(BIN)/python -m livetags.embedded.jars fetch
	@tools/redis7.sh >/dev/null
	@$(BIN)/python -m pytest -m "stores or flink or kafka" --durations=10

.PHONY: bench
bench: $(STAMP)  ## measured comparison of this job, per-event PyFlink and Flink SQL (about 45 minutes)
	@$(BIN)/python -m bench.engine

.PHONY: bench-triggers
bench-triggers: $(STAMP)  ## rate under many rules, latency of triggers: docs/trigger-benchmark.md (about 25 minutes; QUICK=1: 5)
	@$(BIN)/python -m bench.triggers $(if $(QUICK),--quick)

.PHONY: bench-readers
bench-readers: $(STAMP)  ## latency of the client and over HTTP: docs/readers-benchmark.md (about 15 minutes; QUICK=1: 1)
	@$(BIN)/python -m bench.readers $(if $(QUICK),--quick)

DRIFT_VENV := .venv-drift
DRIFT_STAMP := $(DRIFT_VENV)/.installed

$(DRIFT_STAMP): requirements-drift.lock
	@echo "setting up $(DRIFT_VENV) (about 530 MB: river and what it needs, household data); first time only"
	@test -x $(DRIFT_VENV)/bin/python || $(PYTHON) -m venv $(DRIFT_VENV)
	@$(DRIFT_VENV)/bin/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements-drift.lock
	@touch $@

.PHONY: bench-drift
bench-drift: $(DRIFT_STAMP)  ## drift detector against river's: docs/drift-benchmark.md (about 40 minutes; QUICK=1: 2)
	@PYTHONPATH=. $(DRIFT_VENV)/bin/python -m bench.drift $(if $(QUICK),--quick)

.PHONY: docs
docs: $(STAMP)  ## regenerate the pages of docs/ that are made from the code
	@$(BIN)/python -m livetags.reference

.PHONY: proto
proto: $(STAMP)  ## regenerate schemas/pb from schemas/proto
	@$(BIN)/python -m grpc_tools.protoc -I schemas/proto --python_out=schemas/pb --pyi_out=schemas/pb $$(cd schemas/proto && find livetags -name '*.proto' | sort)

.PHONY: lock
lock: $(STAMP)  ## recompile the requirements*.lock after editing a requirements*.in
	@$(BIN)/uv pip compile -q --python-version 3.11 --generate-hashes --no-emit-index-url --no-header requirements.in -o requirements.lock
	@$(BIN)/uv pip compile -q --python-version 3.11 --generate-hashes --no-emit-index-url --no-header requirements-bootstrap.in -o requirements-bootstrap.lock
	@$(BIN)/uv pip compile -q --python-version 3.11 --generate-hashes --no-emit-index-url --no-header requirements-drift.in -o requirements-drift.lock

.PHONY: clean
clean:  ## stop the stores and delete everything the project made, virtual environment included
	@test ! -x $(BIN)/livetags || $(BIN)/livetags reset --yes
	@rm -rf .livetags $(VENV) $(DRIFT_VENV)
