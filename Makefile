VENV ?= .venv
export VENV
BIN = $(VENV)/bin
WORKERS = $(shell expr $$(nproc) + 1)  # runs wait more than they compute
PYTEST = $(BIN)/pytest -n $(WORKERS) --maxprocesses 4 --dist worksteal

.PHONY: help setup browser demo example test check fmt bench-tasks bench-playbook bench-ablation bench-overhead bench-views bench-soak bench-scale bench-newcomer chaos trust docs clean

help:            ## show the verbs
	@grep -hE '^[a-z-]+: .*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 18

setup:           ## make the virtual environment, once
	@scripts/setup.sh

demo: setup      ## the main job on real data, no key, about two minutes
	@$(BIN)/python demo/make_task.py demo/task
	@rm -rf demo/run
	$(BIN)/mle-star run demo/task --out demo/run --budget 100s --seed 1
	@$(BIN)/python demo/score.py demo/task demo/run

example: setup   ## replay a run that an assistant answered: no key, nobody is asked, a little over a minute
	@$(BIN)/python demo/make_task.py demo/task
	@rm -rf demo/example
	$(BIN)/mle-star run demo/task --out demo/example --brain recorded:examples/passengers.jsonl --seed 1 --set branches=1 \
		--set init.candidates=2 --set refine.outer=1 --set refine.inner=2 --set ensemble.rounds=2 --set judging.folds=2

browser: setup
	@scripts/browser.sh

test: browser    ## the tests; with MLESTAR_LONG=1 also those that take minutes
	$(PYTEST)

check: browser   ## format, lint, types, import contracts, tests
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(PYTEST)

docs: setup      ## build the site of docs/ into site/; a dead link fails
	$(BIN)/mkdocs build --strict

fmt: setup       ## format the code
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench-tasks: setup     ## the measuring tasks, 15 minutes each (needs ../shared/tasks)
	$(BIN)/python benchmarks/tasks.py --budget 15m

bench-playbook: setup  ## the playbook against random recipes, equal time
	$(BIN)/python benchmarks/playbook.py --budget 5m

bench-ablation: setup  ## what each part of the method is worth, equal time; over three hours, resumable
	$(BIN)/python benchmarks/ablation.py --budget 5m

bench-overhead: setup  ## what the harness adds to a job, and to a run
	$(BIN)/python benchmarks/overhead.py

bench-scale: setup     ## how cost grows with a run's length, and with the places of a Ray cluster
	$(BIN)/python benchmarks/scale.py growth
	$(BIN)/python benchmarks/scale.py cluster

bench-soak: setup      ## 2,000 tiny jobs in a row: does anything grow?
	$(BIN)/python benchmarks/soak.py

trust: setup           ## the hostile suite behind every wall; writes the table of docs/trust.md (needs root)
	$(BIN)/python scripts/trust.py

bench-newcomer: setup  ## clone, demo, page, an own table, new rows: what each step takes
	$(BIN)/python benchmarks/newcomer.py

bench-views: setup     ## views of 10 to 1,000,000 rows and of 50,000 row files
	$(BIN)/python benchmarks/views.py

chaos: setup     ## kill a run at 100 moments and resume it each time, about half an hour
	$(BIN)/python benchmarks/chaos.py --kills 100

clean:           ## remove what can be made again
	rm -rf $(VENV) site demo/task demo/run demo/example .pytest_cache .mypy_cache .ruff_cache .hypothesis
