# Benchmarks; docs/performance.md explains them. Included by the Makefile.
#   make bench                    the whole table, into docs/performance.md
#   make bench SCALE=0.1          the same on a tenth of the data, printed only
#   make bench-goals              the table of goals, and only what it needs; keeps each part as soon as it is measured
#   make bench ARGS="--workloads w1 --programs sluice-record,hand-record"    printed only
# Data goes to benchmarks/data, or to the folder that SLUICE_BENCH_DATA names.

SCALE ?= 1.0
ARGS ?=
BENCH := .venv-bench/bin/python -m benchmarks
BENCH_STAMPS := .venv-bench/.made .venv-peers/.made
# Only whole measurements at full size are kept.
KEEP := $(if $(filter 1 1.0,$(SCALE)),$(if $(ARGS),,--record))

.PHONY: bench bench-dashboard bench-data bench-dropped bench-formats bench-goals bench-growth bench-memory bench-peers bench-report bench-seeds bench-size bench-startup

.venv-bench/.made: requirements-bench.txt requirements.txt
.venv-peers/.made: requirements-peers.txt

$(BENCH_STAMPS):
	@test -n "$(PYTHON)" || { echo "Sluice needs Python 3.11 or later; found none. Name one: make PYTHON=..." >&2; exit 1; }
	@echo "making $(@D) from $< (once, and when that file changes)"
	@$(PYTHON) -m venv $(@D)
	@$(@D)/bin/python -m pip install --quiet --disable-pip-version-check -r $<
	@touch $@

bench: .venv-bench/.made
	@$(BENCH) run --scale $(SCALE) $(KEEP) $(ARGS)

# With the emulator and mrjob. A part of it, kept in the same table: make bench-goals PARTS=w8,w9 SCALE=0.3
bench-goals: .venv-bench/.made .venv-mrjob/.made setup
	@$(BENCH) goals --scale $(SCALE) $(if $(PARTS),--parts $(PARTS)) --record $(ARGS)

bench-seeds: .venv-bench/.made
	@$(BENCH) seeds --scale $(SCALE) $(KEEP) $(ARGS)

# Half an hour at full size; a tenth says nearly as much.
bench-formats: .venv-bench/.made
	@$(BENCH) formats --scale $(if $(filter 1 1.0,$(SCALE)),0.3,$(SCALE)) --record $(ARGS)

# Peers have requirements that clash with ours; once installed, `make bench` measures them, too.
bench-peers: .venv-peers/.made
	@echo "make bench now measures Lithops and PySpark, too"

bench-memory: .venv-bench/.made
	@$(BENCH) memory --scale $(SCALE) $(KEEP) $(ARGS)

bench-growth: .venv-bench/.made
	@$(BENCH) growth $(KEEP) $(ARGS)

bench-startup: .venv-bench/.made
	@$(BENCH) startup $(KEEP) $(ARGS)

bench-size: .venv-bench/.made
	@$(BENCH) size $(KEEP) $(ARGS)

bench-report: setup
	@$(PY) -m benchmarks.report_page $(ARGS)

bench-dashboard: setup
	@$(PY) -m benchmarks.dashboard_list

# The real deployment on the emulator, where ten functions may run at once: minutes.
bench-dropped: setup
	@$(PY) -m benchmarks.dropped_at_once $(ARGS)

bench-data: .venv-bench/.made
	@$(BENCH) data --scale $(SCALE) $(ARGS)
