# The commands a person types. Everything else is in dodo.py.
#
#   make book                  build the whole book into _build/html
#   make check                 lint, types, proof of the sources, the fast tests: under a minute
#   make test                  the same, the whole book executed and proofed, all tests
#   make lab                   open the chapters in JupyterLab
#   make serve                 show the built book on this machine
#   make chapter NAME=01_eda   execute and proof one chapter
#   make twice                 execute the whole book a second time and compare every output
#   make accept                look at the figures that changed, then accept them
#   make reference             run the models in real brms and lme4 (needs R), show what changed
#   make bench                 measure speed and memory, where it stopped; FRESH=1 starts anew
#   make links                 ask whether the links to other sites still lead somewhere
#   make lock                  renew requirements.txt from pyproject.toml
#   make clean                 remove what a build made (not the environment)

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := book
.PHONY: book check lint test lab serve chapter twice accept reference bench links lock clean environment

BIN := .venv/bin
UV := $(or $(shell command -v uv),.venv-uv/bin/uv)
PRESS := $(BIN)/doit
PYTEST := $(BIN)/pytest --numprocesses auto --dist loadgroup
VENV_PYTHON ?= $(shell cat .python-version)
PORT ?= 8000

# What this user tells every Python says nothing to the book's; and where byte code is forbidden
# (containers often do), every import of Bambi would cost ten seconds.
unexport $(filter PYTHON%,$(.VARIABLES))

book: environment
	$(PRESS) book

check: lint
	$(PYTEST) -m "not slow"

lint: environment
	$(BIN)/ruff check --quiet .
	$(BIN)/ruff format --quiet --check .
	$(BIN)/mypy
	$(PRESS) source

test: lint
	$(PRESS) book
	$(PYTEST)

lab: environment
	$(BIN)/jupyter lab --notebook-dir=book

serve: book
	$(BIN)/python -m http.server --directory _build/html --bind 127.0.0.1 $(PORT)

chapter: environment
	@test -n "$(NAME)" || { echo "make chapter NAME=01_eda: which chapter?" >&2; exit 2; }
	$(PRESS) chapter --name "$(NAME)"

twice: environment
	$(PRESS) twice

accept: environment
	$(PRESS) accept

reference: environment
	$(BIN)/python reference/renew.py

bench: environment
	$(if $(FRESH),rm -rf _build/benchmarks/$(NAME))
	$(BIN)/python -W ignore -m benchmarks $(NAME)

# A DOI is asked for at its registry, because publishers turn robots away.
links: environment
	rm -rf _build/links
	mkdir -p _build/links/src
	cp -R _config.yml _toc.yml book README.md CONTRIBUTING.md CHANGELOG.md _build/links/src
	@sed -n 's/^ *doi *= *{\(.*\)}.*/\1/p' book/references.bib | while read -r doi; do \
		answer="$$(curl --silent --head --retry 3 --output /dev/null --write-out '%{http_code}' "https://doi.org/$$doi")" || true; \
		test "$$answer" = 302 || echo "[broken] https://doi.org/$$doi: $$answer"; done | tee _build/links/doi.txt
	PYTHONPATH=. $(BIN)/jupyter-book build _build/links/src --builder linkcheck --path-output _build/links
	@test ! -s _build/links/doi.txt

lock: | $(UV)
	$(UV) pip compile pyproject.toml --group book --group press --group test --universal \
		--generate-hashes --no-header --no-emit-package lmm-large --quiet --upgrade --output-file requirements.txt

clean:
	rm -rf _build

environment: .venv/.synced

# The stamp is written last: an interrupted installation is simply done again.
.venv/.synced: requirements.txt pyproject.toml lmm_large/pyproject.toml .python-version | $(UV)
	$(BIN)/python --version 2>/dev/null | grep --quiet --word-regexp "Python $(VENV_PYTHON)" || \
		$(UV) venv --quiet --clear --python "$(VENV_PYTHON)" .venv
	$(UV) pip sync --quiet --require-hashes --compile-bytecode requirements.txt
	$(UV) pip install --quiet --no-deps --no-build-isolation --editable ./lmm_large --editable .
	touch $@

# A private uv, of the locked version and hash, made with whatever Python 3 the machine has. The commands
# run from / because pyenv would otherwise obey .python-version before that Python exists.
.venv-uv/bin/uv: requirements.txt
	mkdir -p .venv-uv
	sed -n '/^uv==/,/^[^ ]/{/^uv==/p;/^ .*sha256/p}' requirements.txt > .venv-uv/lock.txt
	here="$$PWD"; cd / && { python3 -m venv --clear "$$here/.venv-uv/env" && \
		"$$here/.venv-uv/env/bin/python" -m pip install --quiet --require-hashes -r "$$here/.venv-uv/lock.txt" || \
		python3 -m pip install --quiet --require-hashes --target "$$here/.venv-uv/env" -r "$$here/.venv-uv/lock.txt"; } || \
		{ echo "make needs uv, or a Python 3 with venv or pip to install it (Debian: apt-get install python3-venv)." >&2; exit 1; }
	mkdir -p .venv-uv/bin && ln -sf ../env/bin/uv $@
	touch $@
