"""Batches: what is done is skipped, what fails is named, the rest goes on; ranks share the work."""

import os

import pytest

from utils.batch import run_batch
from utils.distributed import share
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


def test_a_process_that_dies_is_named():
    report = run_batch(["killed"], work, lambda name: False, "test", jobs=2)
    assert "--jobs" in report.failures["killed"]


def test_all_done_is_success():
    assert run_batch(["a"], work, lambda name: True, "test").exit_code == 0


def test_ranks_share_all_items_once(monkeypatch):
    items, seen = list(range(7)), []
    for rank in range(3):
        monkeypatch.setenv("RANK", str(rank))
        monkeypatch.setenv("WORLD_SIZE", "3")
        seen += share(items)
    assert sorted(seen) == items
