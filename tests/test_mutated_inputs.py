"""Whatever a file holds, its reader ends with a result or with an InputError of one line that names the file.

MUTATED_INPUTS=10000 MUTATED_SEED=7 pytest tests/test_mutated_inputs.py    a longer campaign
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.input_readers import ROOT, ending, readers

INPUTS, SEED = int(os.environ.get("MUTATED_INPUTS", 2000)), int(os.environ.get("MUTATED_SEED", 0))
READERS = readers()


@pytest.mark.parametrize("name", READERS)
def test_valid_files_are_read(tmp_path, name):
    reader = READERS[name]
    for valid in reader.valid:
        (tmp_path / reader.file).write_bytes(valid)
        reader.read(tmp_path / reader.file)
        assert ending(reader, tmp_path / reader.file) is None


def campaign(folder: Path, inputs: int, seed: int) -> list[dict]:
    """Bad endings of the inputs, in processes of their own: one that dies is a bad ending, and the next goes on."""
    first, died = 0, []
    while first < inputs:
        command = [sys.executable, "-m", "tests.input_readers", str(folder), str(seed), str(first), str(inputs)]
        run = subprocess.run(command, cwd=ROOT, capture_output=True, errors="replace", timeout=60 + inputs)
        if run.returncode == 0:
            break
        number, reader = (folder / "at").read_text().split(maxsplit=1)
        died.append({"input": int(number), "reader": reader.strip(), "ending": f"{run.returncode} {run.stderr[-300:]}"})
        first = int(number) + 1
    found = (folder / "bad.jsonl").read_text().splitlines() if (folder / "bad.jsonl").exists() else []
    return died + [json.loads(line) for line in found]


def test_mutated_files_end_well(tmp_path):
    bad = campaign(tmp_path, INPUTS, SEED)
    assert not bad, f"{len(bad)} of {INPUTS}, seed {SEED}:\n" + "\n".join(str(one) for one in bad[:40])
