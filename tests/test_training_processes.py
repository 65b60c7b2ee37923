"""Several processes train together: they agree before the first step, and stop together when one is lost."""

from __future__ import annotations

import datetime
import os
import signal
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
from torch import nn

from tests import balls_people
from tests.forking import SERVER
from tests.running_training import end_all, ended, errors_of, start, start_nodes, torchrun, two_nodes, wait_for_step
from training.gradients import GradientExchange
from training.reports import read_metrics
from training.steps import train_only
from training.sync_batch_norm import SyncBatchNormCPU
from utils.checkpoint import read_checkpoint

LONG = ("--set", "phase1.epochs=200", "--set", "run.save_minutes=0", "--set", "data.workers=0")


@pytest.fixture(scope="module")
def people(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("people")
    balls_people.make(root, 128, train=4, validation=1)
    # Each of them twenty times: few people, and epochs long enough to be stopped within.
    names = root / "list/Synthetic_train.txt"
    names.write_text(20 * names.read_text())
    return root


@pytest.fixture(autouse=True)
def nothing_is_left_running():
    yield
    end_all()


def assert_no_stack(lines: list[str]) -> None:
    assert not any("Traceback" in line for line in lines), "\n".join(lines)


def test_processes_that_differ_stop_together_with_one_line(people, tmp_path):
    """Another seed, then a node without the list."""
    other = tmp_path / "other"
    balls_people.make(other, 128, train=4, validation=1)
    (other / "list/Synthetic_train.txt").unlink()
    for number, (first, second, message) in enumerate(
        [
            ((people, "run.seed=0"), (people, "run.seed=1"), "seed is not the same in all processes"),
            ((people, "run.seed=0"), (other, "run.seed=0"), "Synthetic_train.txt: no such file"),
        ]
    ):
        commands = [
            ("--data_path", root, "--phase", 1, "--save_path", tmp_path / f"{number}", "--set", seed)
            for root, seed in (first, second)
        ]
        for process in start_nodes(*commands):
            code, lines = ended(process)
            assert code == 1
            assert_no_stack(lines)
            [error] = errors_of(lines)
            assert message in error
        assert not (tmp_path / f"{number}" / "last.pt").exists()


def test_a_lost_process_ends_the_others_with_one_line_and_resume_goes_on_with_another_number(people, tmp_path):
    """Two nodes, one is killed; then one process, then four, go on, at the batch size that the error names."""
    run = tmp_path / "run"
    command = ("--data_path", people, "--phase", 1, "--save_path", run, *LONG)
    first, second = start_nodes((*command, "--batch_size", 4), (*command, "--batch_size", 4))
    wait_for_step(run, 1, first)
    second.kill()
    code, lines = ended(first, 60)
    assert code == 1
    assert_no_stack(lines)
    [error] = errors_of(lines)
    assert "another process is gone" in error and "--resume" in error
    ended(second)

    step = read_checkpoint(run / "last.pt").extra["training"]["progress"]["step"]
    resumed = (*command, "--resume", "--batch_size", 4)
    for process in start_nodes(resumed, (*resumed, "--save_path", tmp_path / "not shared")):
        code, lines = ended(process)
        assert code == 1
        [error] = errors_of(lines)
        assert f"step is not the same in all processes ({step} in process 0, 0 in process 1)" in error

    code, lines = ended(start(*command, "--resume"))
    assert code == 1 and "--batch_size 8" in errors_of(lines)[0]
    for count, batch_size in ((1, 8), (4, 2)):
        processes = start_nodes(*[(*command, "--resume", "--batch_size", batch_size)] * count)
        wait_for_step(run, step, processes[0])
        for process in processes:
            process.signal(signal.SIGTERM)
        for process in processes:
            ended(process)
        reached = max(line["step"] for line in read_metrics(run))
        assert reached > step
        step = read_checkpoint(run / "last.pt").extra["training"]["progress"]["step"]


def test_a_lost_link_ends_both_nodes_within_the_timeout_with_one_line(people, tmp_path):
    """The cable is taken out, or, where no network can be made, one process stands still."""
    run = tmp_path / "run"
    command = ("--data_path", people, "--phase", 1, "--save_path", run, *LONG)
    command = (*command, "--set", "compute.timeout_minutes=0.2")
    with two_nodes() as nodes:
        processes = start_nodes(command, command, nodes=nodes)
        wait_for_step(run, 1, processes[0])
        if nodes[1].namespace:
            nodes[1].unplug()
        else:
            processes[1].signal(signal.SIGSTOP)
        for process in processes if nodes[1].namespace else processes[:1]:
            code, lines = ended(process, 60)
            assert code == 1
            assert_no_stack(lines)
            [error] = errors_of(lines)
            assert "another process is gone or did not answer in time" in error


def test_a_run_that_torchrun_starts_again_resumes(people, tmp_path):
    run = tmp_path / "run"
    command = ("--data_path", people, "--phase", 1, "--save_path", run, "--resume", *LONG)
    process = start(*command, launcher=torchrun(2, "--max_restarts=1", "--monitor_interval=0.2"))
    wait_for_step(run, 2, process)
    workers = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    os.kill(int(workers[-1]), signal.SIGKILL)
    killed_at = max(line["step"] for line in read_metrics(run))
    wait_for_step(run, killed_at + 3, process)
    process.signal(signal.SIGTERM)
    ended(process)


def test_a_second_run_in_one_folder_is_refused(people, tmp_path):
    run = tmp_path / "run"
    command = ("--data_path", people, "--phase", 1, "--save_path", run, "--resume", *LONG)
    first = start(*command)
    wait_for_step(run, 0, first)
    code, lines = ended(start(*command))
    assert code == 1
    assert errors_of(lines) == [f"error: {run}: another run is training there, expected another --save_path"]
    first.signal(signal.SIGINT)
    code, lines = ended(first)
    assert code == 128 + signal.SIGINT and "stopped, --resume goes on" in lines[-1]
    assert_no_stack(lines)


@pytest.mark.parametrize("norm", [nn.BatchNorm2d, SyncBatchNormCPU, nn.SyncBatchNorm])
def test_fixed_statistics_hold_for_every_kind_of_batchnorm(norm, tiny_digitizer):
    network = nn.Sequential(nn.Conv2d(3, 4, 1), norm(4))
    train_only({"network": network}, tiny_digitizer, fixed_statistics=True)
    assert network.training and not network[1].training
    train_only({"network": network}, tiny_digitizer, fixed_statistics=False)
    assert network[1].training


def test_gradients_of_several_processes_stay_where_they_are_sent_from():
    """A view of the buffer keeps the layout of its parameter, so that autograd adds in place."""
    from training.gradients import shared_gradients

    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Conv2d(4, 2, 1)).to(memory_format=torch.channels_last)
    x = torch.randn(2, 3, 8, 8)
    network(x).square().mean().backward()
    alone = [parameter.grad.clone() for parameter in network.parameters()]
    buffer = shared_gradients(list(network.parameters()))
    for _ in range(2):
        buffer.zero_()
        network(x).square().mean().backward()
    for parameter, wanted in zip(network.parameters(), alone, strict=True):
        assert torch.equal(parameter.grad, wanted)
        assert parameter.grad.untyped_storage().data_ptr() == buffer.untyped_storage().data_ptr()
        assert parameter.grad.stride() == parameter.stride()


def exchange_while_the_other_computes(rank: int, folder: Path) -> None:
    """One of two processes. The second sends nothing before the first has sent all: that one must not have waited."""
    os.environ |= {"RANK": str(rank), "WORLD_SIZE": "2"}
    soon = datetime.timedelta(seconds=30)
    store = dist.FileStore(str(folder / "store"), 2)
    dist.init_process_group("gloo", store=store, rank=rank, world_size=2, timeout=soon)
    networks = {name: nn.Linear(2, 1, bias=False) for name in "ab"}
    exchange = GradientExchange(networks)
    for _ in range(2):
        exchange.clear()
        for name, network in networks.items():
            network(torch.full((1, 2), float(rank + 1))).sum().backward()
            if rank == 1:
                store.wait(["sent"], soon)
            exchange.start(name)
        store.set("sent", "")
        exchange.finish()
        assert all(torch.equal(network.weight.grad, torch.full((1, 2), 1.5)) for network in networks.values())


def test_gradients_travel_while_the_next_network_computes(tmp_path):
    processes = [SERVER.Process(target=exchange_while_the_other_computes, args=(rank, tmp_path)) for rank in (0, 1)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(90)
        process.kill()
    assert [process.exitcode for process in processes] == [0, 0]
