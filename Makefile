# One definition of everything; CI calls the same targets.
VENV ?= .venv
PYTHON ?= python3
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

CONSOLE := tools/console/node_modules/.installed
SUDO := $(shell [ "$$(id -u)" = 0 ] || echo sudo)

.PHONY: install demo test check proto format docs peers mutants clean browser

install: $(STAMP)  ## make .venv with everything in it

$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --upgrade pip
	$(BIN)/pip install --quiet --constraint constraints.txt torch
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[worker,local,dev]'
	touch $@

demo: $(STAMP)  ## train on real handwritten digits and draw what the model learned
	$(BIN)/python examples/demo.py

# Tests wait as often as they compute, so there is a worker more than cores; files in their order, for those of few and
# long tests would come last otherwise. Bytecode is kept, whatever the shell says: tests start hundreds of processes.
test: $(STAMP) $(CONSOLE) browser  ## the whole suite, in parallel
	PYTHONDONTWRITEBYTECODE= OMP_NUM_THREADS=1 PYTEST_XDIST_AUTO_NUM_WORKERS=$$(($$(getconf _NPROCESSORS_ONLN) + 1)) \
		$(BIN)/python -m pytest -n auto --dist loadfile --no-loadscope-reorder -q

docs: $(STAMP)  ## build docs/ into site/; a link that leads nowhere fails
	$(BIN)/zensical build --strict --clean

check: $(STAMP) $(CONSOLE) docs  ## what clean means: lint, format, types, layers, generated files, docs
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/lint-imports --no-cache --config tools/torch_free.toml
	$(BIN)/yamllint --strict docker-compose.yml docker
	$(BIN)/hadolint docker/*.Dockerfile
	$(BIN)/python -m tools.generated --check
	$(BIN)/python -m tools.console.vendor --check
	tools/console/node_modules/.bin/tsc -p tools/console
	$(BIN)/python -m tools.console.thumbnails --check
	node --test tests/console/modules/
	$(BIN)/python -m pytest -q tests/architecture

# What the console vendors, its types and the rules of accessibility.
$(CONSOLE): tools/console/package.json
	command -v npm >/dev/null || { $(SUDO) apt-get update -qq && $(SUDO) apt-get install -qq --yes nodejs npm; }
	npm install --prefix tools/console --no-package-lock --no-audit --no-fund --silent
	touch $@

browser:  ## which the tests of the console drive
	command -v chromium >/dev/null || { $(SUDO) apt-get update -qq && \
		$(SUDO) apt-get install -qq --yes --no-install-recommends chromium >/dev/null; }

format: $(STAMP)  ## rewrite what check would complain of, where a tool can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

proto: $(STAMP)  ## regenerate service/rpc/pb, docs/openapi.json and pages of docs/
	$(BIN)/python -m tools.generated

peers: .venv-peers/.installed .venv-peers-models/.installed  ## what benchmarks/serving.py, defaults.py and trainers.py measure beside ours

.venv-peers/.installed: benchmarks/peers/requirements.txt constraints.txt
	$(PYTHON) -m venv .venv-peers
	.venv-peers/bin/pip install --quiet --upgrade pip
	.venv-peers/bin/pip install --quiet --constraint constraints.txt torch
	.venv-peers/bin/pip install --quiet --requirement benchmarks/peers/requirements.txt
	touch $@

.venv-peers-models/.installed: benchmarks/peers/models-requirements.txt constraints.txt
	$(PYTHON) -m venv .venv-peers-models
	.venv-peers-models/bin/pip install --quiet --upgrade pip
	.venv-peers-models/bin/pip install --quiet --constraint constraints.txt torch
	.venv-peers-models/bin/pip install --quiet --constraint constraints.txt --requirement benchmarks/peers/models-requirements.txt
	.venv-peers-models/bin/pip uninstall --quiet --yes torchvision  # torchdyn wants one, built for another torch
	touch $@

SAMPLE ?= 12
MODULES ?=
mutants: $(STAMP)  ## mutation testing, hours: docs/results/mutants.md; MODULES="models/adversarial/games.py" for some
	OMP_NUM_THREADS=1 $(BIN)/python benchmarks/mutants.py --sample $(SAMPLE) $(MODULES)

clean:
	rm -rf $(VENV) .venv-peers .venv-peers-models tools/console/node_modules site
