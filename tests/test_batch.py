"""Batches: what is done is skipped, what fails is named, the rest goes on; ranks share the work."""

import os
from functools import partial
from pathlib import Path

import pytest

from utils.batch import run_batch
from utils.distributed import shard
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


def test_all_done_is_success():
    assert run_batch(["a"], work, lambda name: True, "test").exit_code == 0


def test_ranks_share_all_items_once(monkeypatch):
    items, seen = list(range(7)), []
    for rank in range(3):
        monkeypatch.setenv("RANK", str(rank))
        monkeypatch.setenv("WORLD_SIZE", "3")
        seen += shard(items)
    assert sorted(seen) == items
