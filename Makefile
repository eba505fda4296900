# `make run` and `make test` work on a fresh clone and do everything that they need; `make help` lists the rest.

.DEFAULT_GOAL := help
.PHONY: help run test bench screenshots examples web clean

VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
# Folders are among them, so that a removed file counts as a change. `web` alone is the name of a target.
SOURCES := setup.cfg pyproject.toml build_backend.py \
    $(shell find toru twisted -name __pycache__ -prune -o ! -name dropin.cache -print) \
    $(shell find web/. \( -name node_modules -o -path web/./dist \) -prune -o -print)

# Each file of tests stays together, for what its tests share; the slow ones are in the folders that come first. Tests
# wait now and then: three share two cores.
SPREAD := -n $(shell expr $$(nproc) \* 3 / 2) --maxprocesses 4 --dist loadfile --no-loadscope-reorder

# toru is what was installed, wherever it is run from.
unexport PYTHONPATH PYTHONHOME
export PYTHONSAFEPATH := 1

help:  ## list what can be made
	@sed -n 's/^\([a-z]*\):.*##/make \1\t/p' $(MAKEFILE_LIST) | expand -t 18

# The pid file would be in the way after a crash; the lock in the data folder does its work. With `exec`
# twistd is make's own child: Ctrl-C and SIGTERM reach it, and make waits until it is done. Should make
# itself be killed, the kernel stops it.
run: $(VENV)/installed examples  ## install toru and the examples here, and start it
	@exec setpriv --pdeathsig TERM $(BIN)/twistd -n --pidfile= toru

# Tests see the installed wheel, so that a fault of the packaging shows; see also pyproject.toml.
test: $(VENV)/installed $(VENV)/tools  ## lint, types, tests
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/python build_backend.py check
	$(BIN)/pytest $(SPREAD)

# From here: what is measured is the installed toru, what measures is not installed.
bench: $(VENV)/installed $(VENV)/tools  ## measure, on a machine that does nothing else, and write docs/performance.md
	@env -u PYTHONSAFEPATH $(BIN)/python -m benchmarks

screenshots: $(VENV)/installed $(VENV)/tools  ## take the pictures of the documents, in eleven minutes
	@env -u PYTHONSAFEPATH $(BIN)/python -m docs.screenshots

# An example that is the same already is left alone: a running toru would replace its process.
examples:  ## put the example plugins into ./plugins
	@for source in plugins/*/hello-*.*; do \
	    name=$$(basename "$${source%.*}"); \
	    binary="plugins/$$name.binary"; \
	    case "$$source" in \
	        *.go) why=$$(cd "$${source%/*}" && go build -o "$(CURDIR)/$$binary.new" "$${source##*/}" 2>&1) ;; \
	        *) why=$$("$$source" --metadata 2>&1 >/dev/null) && cp "$$source" "$$binary.new" ;; \
	    esac || { echo "Example $$name is left out, for this machine cannot run it: $$why"; continue; }; \
	    if cmp -s "$$binary.new" "$$binary"; then rm "$$binary.new"; continue; fi; \
	    chmod 755 "$$binary.new" && mv "$$binary.new" "$$binary" || exit 1; \
	    echo "Example $$name is now in ./plugins."; \
	done

# Also done by the others, and by whatever else builds a wheel.
web: $(VENV)/made  ## build the dashboard, where its sources changed
	@$(BIN)/python build_backend.py build

clean:  ## remove what make made; ./data stays
	rm -rf web/dist web/node_modules toru/http/static toru/http/static.new
	rm -rf plugins/rust/target plugins/rust/Cargo.lock
	rm -rf $(VENV) .bench build dist toru.egg-info plugins/hello-*.binary .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find toru twisted tests plugins -name __pycache__ -prune -exec rm -rf {} +

# setuptools stays in the environment, so that installing toru anew asks nothing of the network. The system's own Python
# comes first where it can make environments: distributions build it with profiles, and it is up to twice as fast as one
# that was compiled without.
$(VENV)/made:
	@pick() { \
	    for python in /usr/bin/python3 python3 python3.14 python3.13 python3.12 python3.11 none; do \
	        if "$$python" -c "import sys$$1; sys.exit(sys.version_info < (3, 11))" 2>/dev/null; then break; fi; \
	    done; \
	}; \
	pick ", ensurepip, venv"; \
	if [ "$$python" = none ]; then pick; fi; \
	if [ "$$python" = none ]; then echo "toru needs Python 3.11 or newer, and there is none in PATH." >&2; exit 1; fi; \
	if ! "$$python" -c 'import ensurepip, venv' 2>/dev/null; then \
	    if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	        echo "Installing python3-venv, which $$python needs to make $(VENV)."; \
	        apt-get -qq update && DEBIAN_FRONTEND=noninteractive apt-get -qq -y install python3-venv || exit 1; \
	    else \
	        echo "$$python cannot make virtual environments here; as root: apt-get install python3-venv" >&2; exit 1; \
	    fi; \
	fi; \
	echo "Making $(VENV) with $$($$python --version)."; \
	"$$python" -m venv --clear $(VENV)
	@$(PIP) install 'setuptools>=70.1'
	@touch $@

# The last step writes Twisted's cache of plugins while it can be written.
$(VENV)/installed: $(VENV)/made $(SOURCES)
	@$(BIN)/python build_backend.py build
	@echo "Installing toru into $(VENV)."
	@rm -rf build
	@$(PIP) install --no-build-isolation .
	@rm -rf build toru.egg-info
	@$(BIN)/python -c 'import twisted.plugin as p, twisted.plugins as q; p.getCache(q)'
	@touch $@

$(VENV)/tools: setup.cfg | $(VENV)/installed
	@echo "Installing what the tests need into $(VENV)."
	@$(PIP) install --no-build-isolation '.[test]'
	@rm -rf build toru.egg-info
	@touch $@
