# make demo   photo to name on photos that come along     make test   every test
# Both do all their set-up, in a virtual environment at VENV. Python 3.9 or later.
VENV ?= .venv
PYTHON ?= python3
PYTEST_ARGS ?=
LITERT_VENV ?= .venv-litert

python := $(VENV)/bin/python
pip_install := $(python) -m pip install --quiet --disable-pip-version-check
RKNN_VENV ?= .venv-rknn
RKNN_PYTHON ?= python3.11
rknn_pip = $(RKNN_VENV)/bin/python -m pip install --quiet --disable-pip-version-check
native := $(wildcard csrc/*.* csrc/*/*.*) CMakeLists.txt setup.py pyproject.toml VERSION

.PHONY: help setup demo test lint bench bench-peers performance sanitize arm-report arm-test emulated-boards rknn-env rknn-test litert-env litert-test system-packages wheels wheels-test audit-kills gallery-kills agent-kills site-days site-kills door-sequences security fuzz site-million site-events site-schemathesis console-pictures

help:
	@head -2 Makefile | cut -c3-; echo "also: make setup | lint | bench | bench-peers | performance | sanitize | arm-report | arm-test | emulated-boards | rknn-env | rknn-test | litert-env | litert-test | wheels | wheels-test | audit-kills | gallery-kills | agent-kills | site-days | site-kills | door-sequences | security | fuzz | site-million | site-events | site-schemathesis | console-pictures"

# Everything that a developer needs: the runtime, the tests' and the training host's packages.
setup: $(VENV)/.edgeface-test

demo: $(VENV)/.edgeface-demo
	$(python) -m edgeface demo

test: $(VENV)/.edgeface-test
	$(python) -m pytest $(PYTEST_ARGS)

lint: $(VENV)/.edgeface-test
	$(pip_install) --editable '.[lint]'
	$(python) -m ruff check .
	$(python) -m ruff format --check .
	$(VENV)/bin/clang-format --dry-run --Werror $(wildcard csrc/*.* csrc/*/*.* tests/arm/*.c tests/fakes/*.[ch])
	$(VENV)/bin/shellcheck $(wildcard export/*/*.sh)

# manylinux2014 wheels of edgeface for boards and PCs: docs/packages.md. Minutes at first.
wheels: $(VENV)/.edgeface-wheels
	$(python) -m boards wheels --out dist/wheels

# The wheels, on every Python that is here.
wheels-test: wheels $(VENV)/.edgeface-test
	EDGEFACE_WHEELS=dist/wheels $(python) -m pytest $(PYTEST_ARGS) -m wheels tests/boards

# bandit over what is ours; bills of materials of boards and server in build/sbom, and pip-audit over
# them, which asks PyPI's or OSV's servers: where it cannot, that is said, and no error.
security: $(VENV)/.edgeface-test
	$(pip_install) --editable '.[lint]'
	$(python) -m bandit --quiet --configfile pyproject.toml --recursive edgeface boards
	$(python) -m boards inventory --out build/sbom

# Each parser of strangers' bytes for so long: docs/fuzzing.md. atheris has wheels for few Pythons.
MINUTES ?= 10
FUZZ_TARGETS = $(shell $(python) -c 'from tests.fuzz.targets import TARGETS; print(*TARGETS)')
fuzz: $(VENV)/.edgeface-test
	$(pip_install) --editable '.[fuzz]'
	for target in $(FUZZ_TARGETS); do \
	  $(python) -m tests.fuzz.run $$target --minutes $(MINUTES) || exit 1; done

# Pictures of every page of the site's console, to look at.
console-pictures: $(VENV)/.edgeface-test
	@mkdir -p build/console-pictures
	EDGEFACE_CONSOLE_PICTURES=build/console-pictures \
	  $(python) -m pytest $(PYTEST_ARGS) tests/console/test_browser_pages.py

# A writer of the audit log, killed 500 times.
audit-kills: $(VENV)/.edgeface-test
	$(python) -m pytest $(PYTEST_ARGS) -m kills tests/door

# A process that enrols, erases, encrypts, exchanges keys and models, killed 500 times.
gallery-kills: $(VENV)/.edgeface-test
	$(python) -m pytest $(PYTEST_ARGS) -m kills tests/gallery

# Broker, collector and agent killed three times each while a door's log is on its way: minutes.
site-kills: $(VENV)/.edgeface-test
	$(python) -m pytest $(PYTEST_ARGS) -m kills tests/site

# A door's agent, killed 500 times while its site and the door change.
agent-kills: $(VENV)/.edgeface-test
	$(python) -m pytest $(PYTEST_ARGS) -m kills tests/agent

# Whatever the API's description allows and does not, for minutes: docs/site-api.md.
site-schemathesis: $(VENV)/.edgeface-test
	SCHEMATHESIS_EXAMPLES=30 $(python) -m pytest $(PYTEST_ARGS) tests/console/test_schemathesis.py

# Three doors, their site, its database and broker through twenty days of outages and edits.
site-days: $(VENV)/.edgeface-test
	$(python) -m pytest $(PYTEST_ARGS) -s -m site_days tests/site tests/console

# 12 000 random days at random doors through the decision engine: docs/decision-engine.md.
door-sequences: $(VENV)/.edgeface-test
	$(python) -m pytest $(PYTEST_ARGS) -s -m door_sequences tests/door

# A million people in a real PostgreSQL: docs/site-large.md. An hour and 8 GB of disk.
site-million: $(VENV)/.edgeface-test
	$(python) -m tests.bench.site_million

# Three busy doors, a broker and a PostgreSQL: from a door's log to the site's table.
site-events: $(VENV)/.edgeface-test
	$(python) -m tests.bench.site_events

# Google's converter for TFLite of imported networks, in an environment of its own: 2.1 GB, minutes.
litert-env: $(LITERT_VENV)/.litert

# Real conversions, and the cross-check of our own writer.
litert-test: $(VENV)/.edgeface-test $(LITERT_VENV)/.litert
	LITERT_VENV=$(abspath $(LITERT_VENV)) $(python) -m pytest $(PYTEST_ARGS) -m litert tests/litert

$(LITERT_VENV)/.litert: export/requirements-litert.txt
	$(PYTHON) -m venv $(LITERT_VENV)
	$(LITERT_VENV)/bin/python -m pip install --quiet --disable-pip-version-check --requirement $<
	@touch $@

# The C++ core under ASan, UBSan and TSan, on this machine and on an emulated ARM core.
sanitize: $(VENV)/.edgeface-test
	CI=1 $(python) -m pytest tests/native/test_sanitizers.py

# Instructions and estimated cycles on the boards' cores, by QEMU and llvm-mca: docs/arm.md.
arm-report: $(VENV)/.edgeface-test
	$(python) -m tests.arm.report

# The SDK on an emulated RK3576 and T527; makes the machine in build/arm: 150 MB of downloads.
emulated-boards: $(VENV)/.edgeface-test
	@start=$$(date +%s); CI=1 EDGEFACE_ARM_MACHINE=build/arm \
	  $(python) -m pytest $(PYTEST_ARGS) -m 'emulated or not emulated' tests/emulated tests/arm && \
	  echo "emulated-boards: green in $$(( ($$(date +%s) - start) / 60 )) min $$(( ($$(date +%s) - start) % 60 )) s"

# INT8 artefacts of a build on the same machine.
arm-test: $(VENV)/.edgeface-test
	EDGEFACE_ARM_MACHINE=build/arm $(python) -m pytest $(PYTEST_ARGS) -m arm tests/export/verify

# Against faiss, usearch, simsimd, numkong, NumPy, PyTorch and ONNX Runtime; a quarter of an hour.
bench: $(VENV)/.edgeface-bench
	$(python) -m tests.bench_match --json build/bench/match.json
	$(python) -m tests.bench_head --json build/bench/head.json
	$(python) tests/bench_verify.py

# Against facenet-pytorch, YuNet + MobileFaceNet, insightface and uniface, from photo to name; minutes.
bench-peers: $(VENV)/.edgeface-bench-peers
	$(python) -m tests.bench_peers --json build/bench/peers.json --page docs/peers.md

performance: bench
	$(python) -m tests.bench.report --out docs/performance.md

# Rockchip's converter for the RK3576, in an environment of its own: Python 3.11, 1.4 GB, minutes.
rknn-env: $(RKNN_VENV)/.rknn

# Real conversions and the simulator.
rknn-test: $(VENV)/.edgeface-test $(RKNN_VENV)/.rknn
	RKNN_VENV=$(abspath $(RKNN_VENV)) $(python) -m pytest $(PYTEST_ARGS) -m rknn tests/export/rknn

# The toolkit's metadata asks for an older torch than it runs with, hence --no-deps.
$(RKNN_VENV)/.rknn: export/rknn/requirements.txt
	$(RKNN_PYTHON) -m venv $(RKNN_VENV)
	$(rknn_pip) --requirement export/rknn/requirements.txt
	$(rknn_pip) --no-deps torch==2.13.0
	$(rknn_pip) --no-deps rknn-toolkit2==2.5.0
	$(RKNN_VENV)/bin/python -c 'from rknn.api import RKNN'
	@touch $@

$(VENV)/.edgeface-demo: $(native) | $(VENV)/pyvenv.cfg
	@echo "Building edgeface and installing what it runs on into $(VENV) ..."
	$(pip_install) --editable '.[demo]'
	@touch $@

$(VENV)/.edgeface-test: $(native) export/requirements.txt export/requirements-importers.txt | $(VENV)/pyvenv.cfg
	@echo "Building edgeface and installing its test packages into $(VENV): minutes at first ..."
	$(pip_install) --editable '.[demo,test]' --requirement export/requirements.txt \
	  --requirement export/requirements-importers.txt
	@touch $@

$(VENV)/.edgeface-wheels: $(native) | $(VENV)/pyvenv.cfg
	@echo "Installing what wheels are built with into $(VENV) ..."
	$(pip_install) --editable '.[wheels]'
	@touch $@

$(VENV)/.edgeface-bench: $(native) export/requirements.txt | $(VENV)/pyvenv.cfg
	@echo "Building edgeface and installing the libraries to compare it with into $(VENV) ..."
	$(pip_install) --editable '.[demo,test,bench]' --requirement export/requirements.txt
	@touch $@

# Their metadata asks for older or other builds of torch, NumPy and OpenCV than they run with, hence
# --no-deps.
$(VENV)/.edgeface-bench-peers: $(VENV)/.edgeface-test tests/bench/requirements-peers.txt
	$(pip_install) --no-deps --requirement tests/bench/requirements-peers.txt
	@touch $@

$(VENV)/pyvenv.cfg: | system-packages
	$(PYTHON) -m venv $(VENV)

# Debian packages that the build cannot do without, found by what they provide.
system-packages:
	@missing=; \
	command -v $(PYTHON) >/dev/null || missing=" python3 python3-venv python3-dev"; \
	if [ -z "$$missing" ]; then \
	  $(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || missing="$$missing python3-venv"; \
	  $(PYTHON) -c 'import os, sys, sysconfig; \
	    sys.exit(not os.path.exists(sysconfig.get_path("include") + "/Python.h"))' \
	    || missing="$$missing python3-dev"; \
	fi; \
	command -v $(CXX) >/dev/null || missing="$$missing g++"; \
	if [ -n "$$missing" ]; then \
	  echo "edgeface: missing system packages:$$missing"; \
	  echo "  as root: apt-get update && apt-get install -y$$missing"; \
	  exit 1; \
	fi
