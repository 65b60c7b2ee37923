"""A process beside this one: its result, its end without one, and that it ends with the block and with its parent."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from tests.test_batch import wait_for
from utils.child_processes import beside

LARGE = 1_000_000
"""Bytes that no pipe holds: who sends them waits."""


def large_result(value: int) -> np.ndarray:
    return np.full(LARGE, value, np.uint8)


def without_end(folder: str) -> None:
    Path(folder, str(os.getpid())).touch()
    time.sleep(60)


def test_the_result_is_there_when_it_is_asked_for():
    with beside(large_result, 7) as result:
        np.testing.assert_array_equal(result(), large_result(7))


def test_a_process_that_ends_without_a_result_has_none():
    with beside(os._exit, 3) as result:
        assert result() is None


def test_a_process_that_cannot_begin_has_none(monkeypatch):
    def no_process(*_: object) -> None:
        raise BlockingIOError(11, "Resource temporarily unavailable")

    monkeypatch.setattr("multiprocessing.context.SpawnProcess._Popen", no_process)
    with beside(large_result, 7) as result:
        assert result() is None


def test_a_result_that_nobody_wants_does_not_hold_the_block(tmp_path):
    begin = time.monotonic()
    with beside(without_end, str(tmp_path)):
        [process] = wait_for(lambda: list(tmp_path.iterdir()))
    assert time.monotonic() - begin < 30 and not Path(f"/proc/{process.name}").exists()


WAITING = """
import sys
from tests.test_child_processes import without_end
from utils.child_processes import beside
from utils.script import ends_in_one_line

@ends_in_one_line
def main(argv=None):
    with beside(without_end, sys.argv[1]) as result:
        result()

if __name__ == "__main__":
    sys.exit(main())
"""


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL, signal.SIGINT])
def test_it_ends_with_its_parent_without_a_word(tmp_path, how):
    script = tmp_path / "waiting.py"
    script.write_text(WAITING)
    (folder := tmp_path / "process").mkdir()
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[1])}
    parent = subprocess.Popen([sys.executable, script, folder], env=environment, stderr=subprocess.PIPE, text=True)
    [process] = wait_for(lambda: list(folder.iterdir()))
    parent.send_signal(how)
    errors = parent.communicate(timeout=20)[1]
    expected = (130, "stopped by Ctrl-C\n") if how == signal.SIGINT else (-how, "")
    assert (parent.returncode, errors) == expected
    assert wait_for(lambda: not Path(f"/proc/{process.name}/cmdline").exists())
