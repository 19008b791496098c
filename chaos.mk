# Trouble on purpose; docs/reliability.md explains it and keeps the figures. Included by the Makefile.
#   make chaos         every kill and every mixture of faults: simulated, on this machine, on the emulator
#   make chaos-local   all of it but the emulator's part
#   make hostile     objects made to do harm, dropped on jobs; OBJECTS=10000 SEED=1 for a night's worth
#   make hostile-deployed    the same, on a job that is really deployed, to the emulator
#   make fuzz        new examples of all that strangers write, for an hour (MINUTES=60), and the code they reached
#   make soak          500 runs in one process, and what is left of them; RUNS=2000 for more
# `make test` runs a sample of each.

RUNS ?= 500
OBJECTS ?= 10000
SEED ?= 1
MINUTES ?= 60
export MINUTES

.PHONY: chaos chaos-local hostile hostile-deployed fuzz soak

# Whatever sweeps over the calls of a run (tests/strategies.py: places).
SWEEPS = $(shell grep -rl --include='*.py' 'import.* places$$' tests/features) tests/features/test_stragglers.py

chaos: setup
	CHAOS=full $(PY) -m pytest -q -s tests/chaos $(SWEEPS)

chaos-local: setup
	CHAOS=full $(PY) -m pytest -q -s tests/chaos/test_simulated.py tests/chaos/test_stopped.py tests/chaos/test_local.py \
		$(SWEEPS)

hostile: setup
	HOSTILE=$(OBJECTS) SEED=$(SEED) $(PY) -m pytest -q -s tests/fuzz/test_hostile.py

hostile-deployed: setup
	HOSTILE_DEPLOYED=$(OBJECTS) SEED=$(SEED) $(PY) -m pytest -q -s -n 0 tests/fuzz/test_hostile_deployed.py

# Coverage lies beside the tests' environment, not in it: nothing else needs it.
fuzz: setup .venv-fuzz/.made
	@PYTHONPATH=.venv-fuzz $(PY) tests/fuzz/hour.py

.venv-fuzz/.made: requirements-fuzz.txt
	@$(PY) -m pip install --quiet --disable-pip-version-check --upgrade --target $(@D) -r $<
	@touch $@

soak: setup
	SOAK=$(RUNS) $(PY) -m pytest -q -s tests/chaos/test_soak.py
