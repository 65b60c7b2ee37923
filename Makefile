# make demo   photos in samples/ -> normals, depth, clouds and meshes in results/demo
# make test   style, types and all tests: two files side by side in the order of tests/conftest.py, each with one thread
# Both make .venv first. PYTHON=python3.12 make ... takes another interpreter.

PYTHON ?= python3
VENV := .venv
PIP := $(VENV)/bin/python -m pip install --quiet -c requirements-tested.txt
CHECKPOINT ?= checkpoints/small.pt

.PHONY: demo test

demo: $(VENV)/ready
	$(VENV)/bin/python test_model.py --data_path samples --load_ckpt $(CHECKPOINT) --save_path results --save_name demo
	$(VENV)/bin/python test_poisson.py --save_path results --save_name demo
	@echo "Open it:  xdg-open results/demo/index.html   (or drag this file into a browser)"

test: $(VENV)/ready-to-test
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/ruff check .
	$(VENV)/bin/mypy
	OMP_NUM_THREADS=1 $(VENV)/bin/python -m pytest -q -n 2 --dist loadfile --no-loadscope-reorder

$(VENV)/bin/python:
	@$(PYTHON) -c "import ensurepip, venv" 2>/dev/null || ./.ci/system-packages python3-venv
	$(PYTHON) -m venv $(VENV)

$(VENV)/ready: requirements.txt requirements-tested.txt | $(VENV)/bin/python
	$(PIP) -r requirements.txt
	@$(VENV)/bin/python -c "import open3d" 2>/dev/null || ./.ci/system-packages libusb-1.0-0 libgomp1 libgl1
	@$(VENV)/bin/python -c "import open3d"
	@touch $@

$(VENV)/ready-to-test: requirements-test.txt $(VENV)/ready
	$(PIP) -r requirements-test.txt
	@touch $@
