# The two commands are `make demo` and `make test`; each makes the environments it needs. While you change things,
# `make quick` says in a minute and a half whether it is worth running the rest.
# Needed on the machine: Python 3.11 or later, with venv, and make.

# The first interpreter that is recent enough; choose another with `make PYTHON=...`.
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11 python3.14; do \
	"$$p" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo "$$p"; break; }; done)

# One file per environment says which requirements it was made from.
STAMPS := .venv/.made .venv-cloud/.made .venv-lambda/.made .venv-wheel/.made
PY := .venv/bin/python

# The tests run side by side in so many processes: one more than there are processors, or `make PROCESSES=0` for a
# debugger. Tests that
# share a deployment stay together, and what takes longest begins first: tests/conftest.py says which.
PROCESSES ?= auto
PYTEST = $(PY) -m pytest -n $(PROCESSES) --durations=10

# What `make quick` leaves out takes long, or needs the emulator.
QUICK := tests/test_architecture.py tests/unit tests/contracts tests/features/test_run_job.py \
	tests/features/test_local_engine.py tests/features/test_begun_before.py tests/features/test_bad_records.py \
	tests/features/io/test_outputs.py tests/features/steps/test_local.py

# Hundreds of processes begin in the tests: without compiled files each would compile every module anew.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help setup demo test quick test-on check audit scale wheel picture pictures schemas mrjob-lines pins cloud-up \
	cloud-down clean

help:
	@echo "scripts/sluice.py lists the commands for jobs and runs; these are for Sluice itself:"
	@echo "make demo        count words on an emulated AWS, from deployment to result"
	@echo "make test        all that CI runs: check, then the tests"
	@echo "make quick       what to run after each change: check, and the tests of a minute"
	@echo "make test-on     the tests of make quick on another Python: make test-on PYTHON=python3.13"
	@echo "make check       lint, format, types"
	@echo "make audit       other people's linters on the code and on the policies of a deployment"
	@echo "make wheel       build the package that pip installs elsewhere, into dist/"
	@echo "make picture     draw the rooms of docs/architecture.md anew, from the imports"
	@echo "make pictures    take the pictures of the documents anew, from a real run; needs Chromium"
	@echo "make mrjob-lines what mrjob itself gives for the jobs that the drop-in is compared with, anew"
	@echo "make schemas     write docs/schemas anew, from the types"
	@echo "make cloud-up    start an emulated AWS to play with; make cloud-down ends it"
	@echo "make scale       the estimates of docs/scale.md anew; with ARGS=--twin what the simulated cloud says, too"
	@echo "make bench       measure against other programs; docs/performance.md explains"
	@echo "make chaos       every fault of docs/reliability.md; make soak: hundreds of runs in a row"
	@echo "make hostile     thousands of objects made to do harm; docs/security.md explains"
	@echo "make hostile-deployed    the same objects on a deployed job, on the emulator"
	@echo "make fuzz        new examples of all formats for an hour, and the code that they reached"
	@echo "make setup       make the environments; make clean removes them"
	@echo "make pins        list the hashes of all requirements, after a version was changed or one was added"

# All of them at once: half of the time goes into waiting for packages.
setup:
	@$(MAKE) --no-print-directory --silent -j $(words $(STAMPS)) $(STAMPS)

.venv/.made: requirements-dev.txt requirements.txt
.venv-cloud/.made: requirements-cloud.txt
.venv-lambda/.made: requirements-lambda.txt
.venv-wheel/.made: requirements-wheel.txt

$(STAMPS) .venv-audit/.made .venv-scanners/.made .venv-mrjob/.made:
	@test -n "$(PYTHON)" || { echo "Sluice needs Python 3.11 or later; found none. Name one: make PYTHON=..." >&2; exit 1; }
	@echo "making $(@D) from $< (once, and when that file changes)"
	@$(PYTHON) -m venv $(@D)
	@$(@D)/bin/python -m pip install --quiet --disable-pip-version-check -r $<
	@touch $@

demo: setup
	@$(PY) scripts/demo.py

test: check
	$(PYTEST)

quick: check
	$(PYTEST) -m "not cloud and not slow" --hypothesis-profile=quick $(QUICK)

# The same tests on another Python, in an environment of its own: make test-on PYTHON=python3.13
ON = .venv-on-$(shell $(PYTHON) -c 'import sys; print("%d.%d" % sys.version_info[:2])')
test-on:
	@test -e $(ON)/.made || { echo "making $(ON) from requirements-dev.txt (once)" && $(PYTHON) -m venv $(ON) && \
		$(ON)/bin/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt && \
		touch $(ON)/.made; }
	$(ON)/bin/python -m pytest -n $(PROCESSES) -m "not cloud and not slow" --hypothesis-profile=quick \
		$(filter-out tests/test_architecture.py,$(QUICK))

check: setup
	$(PY) -m ruff check
	$(PY) -m ruff format --check
	$(PY) -m mypy

scale: setup
	@$(PY) -m benchmarks.scale $(ARGS)

# In an environment of its own, made when it is first asked for: no test needs these tools.
audit: setup .venv-audit/.made .venv-scanners/.made
	@$(PY) scripts/lint.py .venv-audit/bin .venv-scanners/bin
	@$(PY) -m tests.security.second_opinion .venv-audit/bin/python

.venv-audit/.made: requirements-audit.txt
.venv-scanners/.made: requirements-scanners.txt

# The backend comes from its own environment: pip would fetch it anew each time, and without hashes.
wheel: .venv-wheel/.made
	@.venv-wheel/bin/python -m pip wheel --quiet --disable-pip-version-check --no-deps --no-build-isolation \
		--wheel-dir dist .
	@ls dist/*.whl

# What mrjob itself writes for the jobs of tests/features/mrjob/same_lines, anew, in some minutes; in an environment of
# its own, with which the tests check the file, too.
SAME_LINES := tests/features/mrjob/same_lines
mrjob-lines: .venv-mrjob/.made
	@folder=$$(mktemp -d) && .venv-mrjob/bin/python $(SAME_LINES)/drive.py $$folder/run > $$folder/lines.json \
	  && mv $$folder/lines.json $(SAME_LINES)/lines.json && rm -rf $$folder

.venv-mrjob/.made: requirements-mrjob.txt

picture: setup
	@$(PY) docs/house.py

pictures: setup
	@$(PY) -m docs.pictures

# The JSON Schemas of what is published, anew from the types.
schemas: setup
	@$(PY) docs/schemas.py

cloud-up: setup
	@$(PY) scripts/cloud.py up

cloud-down: setup
	@$(PY) scripts/cloud.py down

# pip refuses files whose hashes are not listed: after a version in requirements*.txt was changed, this lists its own.
pins:
	@$(PYTHON) -m venv .venv-pins
	@.venv-pins/bin/python -m pip install --quiet --disable-pip-version-check pip-tools==7.6.2
	@.venv-pins/bin/python scripts/pin.py requirements*.txt

# What was deployed to AWS is remembered in .chalice/deployed/, which stays.
clean:
	rm -rf dist .venv .venv-* .sluice test-artefacts .hypothesis .pytest_cache .mypy_cache .ruff_cache \
		.chalice/deployments
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

include benchmarks/bench.mk
include chaos.mk
