"""Batches: what is done is skipped, what fails is named, the rest goes on; ranks share the work."""

import gc
import os
import signal
import subprocess
import sys
import time
import weakref
from functools import partial
from pathlib import Path

import pytest

from utils.batch import BatchReport, InThreads, LeftOut, run_batch
from utils.distributed import cores, shard
from utils.errors import InputError


def work(name: str) -> None:
    if name == "bad":
        raise InputError("bad.png: is empty")
    if name == "bug":
        raise KeyError("oops")
    if name == "killed":
        os._exit(1)


@pytest.mark.parametrize("jobs", [1, 2])
def test_failures_are_named_and_the_rest_goes_on(jobs, capsys):
    report = run_batch(["a", "bad", "b", "bug", "done"], work, lambda name: name == "done", "test", jobs)
    assert sorted(report.done) == ["a", "b"] and report.skipped == ["done"]
    assert report.failures["bad"] == "bad.png: is empty" and report.failures["bug"].startswith("KeyError")
    assert report.exit_code == 1
    report.print_summary("written")
    printed = capsys.readouterr()
    assert "2 written, 1 already there, 2 failed" in printed.out and "FAILED bad: bad.png: is empty" in printed.err
    assert "Traceback" in printed.err, "a defect of ours shows where"


def test_a_question_that_cannot_be_answered_is_a_failure_of_that_name_alone():
    def is_done(name: str) -> bool:
        if name == "closed":
            raise PermissionError(13, "no", "/data/closed")
        return False

    report = run_batch(["a", "closed", "b"], work, is_done, "test")
    assert report.done == ["a", "b"] and report.failures["closed"].startswith("/data/closed: Permission denied")


def test_a_name_with_a_line_break_does_not_break_the_report(capsys):
    BatchReport(failures={"new\nline": "is empty"}, left_out={"\x1b[31m": "nobody"}).print_summary("written")
    printed = capsys.readouterr()
    assert printed.err == "FAILED new line: is empty\n" and "left out \\x1b[31m: nobody\n" in printed.out


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_process_that_dies_is_named_and_the_rest_goes_on(jobs):
    names = ["a", "killed", "b", "bad", "c", "d", "e"]
    report = run_batch(names, work, lambda name: False, "test", jobs, apart=True)
    assert sorted(report.done) == ["a", "b", "c", "d", "e"]
    assert "process died" in report.failures["killed"] and report.failures["bad"] == "bad.png: is empty"
    assert len(report.failures) == 2


def die_once(name: str, folder: Path) -> None:
    try:
        (folder / name).touch(exist_ok=False)
    except FileExistsError:
        return
    os._exit(1)


def test_what_dies_by_chance_is_done_at_the_second_try(tmp_path):
    names = ["a", "b", "c"]
    report = run_batch(names, partial(die_once, folder=tmp_path), lambda name: False, "test", jobs=1, apart=True)
    assert report.done == names and not report.failures


class Table:
    """Work that holds much, and notes how often it is sent."""

    sent = 0

    def __getstate__(self) -> dict:
        Table.sent += 1
        return {}

    def __call__(self, name: str) -> None:
        work(name)


def test_work_is_sent_once_and_not_with_every_name():
    names = [str(number) for number in range(20)]
    assert run_batch(names, Table(), lambda name: False, "test", jobs=2).exit_code == 0
    assert Table.sent == 1


def test_all_done_is_success():
    assert run_batch(["a"], work, lambda name: True, "test").exit_code == 0


def test_ranks_share_all_items_once(monkeypatch):
    items, seen = list(range(7)), []
    for rank in range(3):
        monkeypatch.setenv("RANK", str(rank))
        monkeypatch.setenv("WORLD_SIZE", "3")
        seen += shard(items)
    assert sorted(seen) == items


def test_processes_of_a_machine_divide_its_cores(monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    alone = cores()
    assert 1 <= alone <= (os.cpu_count() or 1)
    assert cores(jobs=2) == max(1, alone // 2)
    for processes in (1, 2, 3, 1000):
        monkeypatch.setenv("LOCAL_WORLD_SIZE", str(processes))
        assert cores() == max(1, alone // processes)


@pytest.mark.parametrize(
    ("wanted", "processes", "expected"), [("3", 1, 3), ("1", 1, 1), ("3", 2, 3), ("1", 2, None), ("", 2, None)]
)
def test_a_user_may_limit_the_cores_and_torchrun_does_not(wanted, processes, expected, monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setenv("LOCAL_WORLD_SIZE", str(processes))
    usual = cores()
    monkeypatch.setenv("OMP_NUM_THREADS", wanted)
    assert cores() == (usual if expected is None else expected)


def test_threads_read_in_order_keep_errors_apart_and_work_beside_each_other():
    """Each step may fail for an item of its own; as many are under way as there are threads."""
    read, under_way, most = [], set(), []

    def reading(name: str) -> str:
        read.append(name)
        work(name if name == "bad" else "fine")
        return name

    def working(name: str) -> None:
        under_way.add(name)
        most.append(len(under_way))
        time.sleep(0.02)
        under_way.remove(name)
        if name == "empty":
            raise LeftOut("no person")
        if name == "bug":
            work(name)

    names = ["a", "bad", "empty", "b", "bug", *"cdefgh"]
    report = run_batch(names, InThreads(reading, working, threads=3), lambda name: False, "test")
    assert report.done == ["a", "b", *"cdefgh"] and read == names
    assert report.failures["bad"] == "bad.png: is empty" and report.failures["bug"].startswith("KeyError")
    assert report.left_out == {"empty": "no person"}
    assert max(most) == 3


@pytest.fixture
def ctrl_c():
    """Ctrl-C raises, as in a program that begins: training in this process before has left it to nobody."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize("threads", [1, 3])
def test_ctrl_c_finishes_what_is_begun_and_begins_nothing_more(threads, ctrl_c):
    begun, ended = [], []

    def working(name: str) -> None:
        begun.append(name)
        if name == "c":
            time.sleep(0.1)  # the main thread waits by then
            signal.raise_signal(signal.SIGINT)
        time.sleep(0.2)
        ended.append(name)

    with pytest.raises(KeyboardInterrupt):
        run_batch(list("abcdefgh"), InThreads(str, working, threads), lambda name: False, "test")
    assert sorted(ended) == sorted(begun) and set("abc") <= set(begun) < set("abcdefg")


def test_what_an_error_holds_is_let_go_with_it():
    """A photo that fails is in the error's stack: thousands of them would fill the memory."""
    alive = []

    class Large:
        def __init__(self, name: str) -> None:
            self.name = name

    def working(item: Large) -> None:
        alive.append(weakref.ref(item))
        raise InputError(f"{item.name}: is empty")

    outcomes = run_batch(list("abcd"), InThreads(Large, working, threads=1), lambda name: False, "test")
    assert len(outcomes.failures) == 4
    gc.collect()
    assert not any(reference() for reference in alive)


ORPHANS = """
import sys, time
from pathlib import Path
from utils.batch import run_batch

def work(name):
    import os
    Path(sys.argv[1], f"{name}.{os.getpid()}").touch()
    time.sleep(60)

if __name__ == "__main__":
    run_batch(["a", "b", "c"], work, lambda name: False, "test", jobs=2)
"""


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL, signal.SIGINT])
def test_processes_end_with_their_parent(tmp_path, how):
    script = tmp_path / "orphans.py"
    script.write_text(ORPHANS)
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[1])}
    parent = subprocess.Popen([sys.executable, script, tmp_path], env=environment, stderr=subprocess.PIPE, text=True)
    workers = wait_for(lambda: [int(path.suffix[1:]) for path in tmp_path.glob("[abc].*")][1:] and
                       [int(path.suffix[1:]) for path in tmp_path.glob("[abc].*")])  # fmt: skip
    parent.send_signal(how)
    errors = parent.communicate(timeout=20)[1]
    if how == signal.SIGTERM:
        assert parent.returncode == 128 + how and "stopped by SIGTERM\n" in errors and "leaked" not in errors
    assert wait_for(lambda: not any(Path(f"/proc/{worker}/cmdline").exists() for worker in workers))


STARTING = """
import os, sys, time
from pathlib import Path
from utils.batch import run_batch
from utils.script import ends_in_one_line

if __name__ == "__mp_main__":  # a worker imports its script
    Path(sys.argv[1], f"worker.{os.getpid()}").touch()
    time.sleep(60)

@ends_in_one_line
def main(argv=None):
    run_batch(["a", "b", "c"], print, lambda name: False, "test", jobs=2)

if __name__ == "__main__":
    sys.exit(main())
"""


def test_ctrl_c_while_processes_start_is_one_line(tmp_path):
    """A terminal sends Ctrl-C to all processes: those that still import say nothing."""
    script = tmp_path / "starting.py"
    script.write_text(STARTING)
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[1])}
    parent = subprocess.Popen(
        [sys.executable, script, tmp_path], env=environment, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    workers = wait_for(lambda: len(found := list(tmp_path.glob("worker.*"))) == 2 and found)
    os.killpg(parent.pid, signal.SIGINT)
    errors = parent.communicate(timeout=20)[1]
    assert parent.returncode == 130 and errors.endswith("stopped by Ctrl-C\n") and "Traceback" not in errors
    assert wait_for(lambda: not any(Path(f"/proc/{path.suffix[1:]}/cmdline").exists() for path in workers))


def wait_for(condition, seconds=40):
    """The condition's value as soon as it is true."""
    end = time.monotonic() + seconds
    while not (value := condition()) and time.monotonic() < end:
        time.sleep(0.05)
    return value
