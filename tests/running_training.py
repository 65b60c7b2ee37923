"""train.py in processes of its own: one, several under torchrun, or several that meet by hand like two nodes."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import IO

from tests.forking import fork, nothing
from training.reports import Reports, read_metrics

ROOT = Path(__file__).parents[1]
SMOKE = ["--config", str(ROOT / "configs/smoke.yaml")]


@dataclass(frozen=True)
class TrainingProcess:
    """A process of train.py, or of a launcher of several; stdout and stderr come together in a file."""

    process: BaseProcess | subprocess.Popen
    log: IO[bytes]  # temporary

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def code(self) -> int | None:
        """Its exit code, negative where a signal ended it; None while it runs."""
        return self.process.exitcode if isinstance(self.process, BaseProcess) else self.process.poll()

    def signal(self, number: signal.Signals) -> None:
        if self.code is None:
            os.kill(self.pid, number)

    def wait(self, seconds: float | None = None) -> None:
        """Until it has ended, or for so long."""
        if isinstance(self.process, BaseProcess):
            self.process.join(seconds)
            return
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(seconds)

    def kill(self) -> None:
        self.process.kill()
        self.wait()

    def lines(self) -> list[str]:
        """What it has printed."""
        return Path(self.log.name).read_text(errors="replace").strip().replace("\r", "\n").splitlines()


STARTED: list[TrainingProcess] = []
"""All that `start` has started, for `end_all`."""


def free_port() -> int:
    """A port that is free."""
    with socket.socket() as door:
        door.bind(("127.0.0.1", 0))
        return door.getsockname()[1]


@dataclass(frozen=True)
class Node:
    """Where one of several processes runs: on this machine as it is, or in a network namespace with its own address."""

    namespace: str | None = None
    address: str = "127.0.0.1"

    @property
    def prefix(self) -> tuple[str, ...]:
        return ("ip", "netns", "exec", self.namespace) if self.namespace else ()

    @property
    def environment(self) -> dict[str, str]:
        """Gloo has to be told which network card leads to the others: a namespace's has its name."""
        return {"GLOO_SOCKET_IFNAME": self.namespace} if self.namespace else {}

    def unplug(self) -> None:
        """Take the cable out."""
        subprocess.run(["ip", "-n", self.namespace, "link", "set", self.namespace, "down"], check=True)


@contextmanager
def two_nodes() -> Iterator[tuple[Node, Node]]:
    """Two network namespaces joined by a cable, where the user may make them; otherwise this machine twice."""
    nodes = tuple(Node(f"n{os.getpid()}{side}", f"10.77.7.{number}") for number, side in ((1, "a"), (2, "b")))
    names = [node.namespace for node in nodes]
    wiring = [["netns", "add", name] for name in names]
    wiring += [["link", "add", names[0], "type", "veth", "peer", "name", names[1]]]
    for node in nodes:
        wiring += [["link", "set", node.namespace, "netns", node.namespace]]
        wiring += [["-n", node.namespace, "addr", "add", f"{node.address}/24", "dev", node.namespace]]
        wiring += [["-n", node.namespace, "link", "set", device, "up"] for device in (node.namespace, "lo")]
    has_ip = shutil.which("ip") is not None
    is_wired = has_ip and all(subprocess.run(["ip", *step], capture_output=True).returncode == 0 for step in wiring)
    try:
        yield nodes if is_wired else (Node(), Node())
    finally:
        for name in names if has_ip else ():
            subprocess.run(["ip", "netns", "del", name], capture_output=True)


def start(
    *arguments: object,
    launcher: tuple[str, ...] = (),
    environment: Mapping[str, str] | None = None,
    prefix: tuple[str, ...] = (),
    prepare: Callable[[], None] = nothing,
) -> TrainingProcess:
    """train.py with the smoke config.

    Args:
        launcher: a module that starts several processes of it, with its options.
        environment: what is added to the environment.
        prefix: the start of the command line.
        prepare: called in the process, before the script; not with a launcher or a prefix.
    """
    command = [*SMOKE, *map(str, arguments)]
    log = tempfile.NamedTemporaryFile(suffix=".log")
    process: BaseProcess | subprocess.Popen
    if launcher or prefix:
        variables = os.environ | {"OMP_NUM_THREADS": "1"} | dict(environment or {})
        command = [*prefix, sys.executable, *launcher, "train.py", *command]
        process = subprocess.Popen(command, cwd=ROOT, env=variables, stdout=log, stderr=subprocess.STDOUT)
    else:
        process = fork("train", command, Path(log.name), environment, prepare)
    STARTED.append(TrainingProcess(process, log))
    return STARTED[-1]


def start_nodes(*commands: tuple[object, ...], nodes: tuple[Node, ...] | None = None) -> list[TrainingProcess]:
    """One process on each of several nodes, by default all on this machine; they meet at the first."""
    nodes = nodes or (Node(),) * len(commands)
    meeting = {"MASTER_ADDR": nodes[0].address, "MASTER_PORT": str(free_port()), "WORLD_SIZE": str(len(nodes))}
    return [
        start(*command, environment=meeting | {"RANK": str(rank)} | node.environment, prefix=node.prefix)
        for rank, (command, node) in enumerate(zip(commands, nodes, strict=True))
    ]


def torchrun(processes: int, *options: str) -> tuple[str, ...]:
    """The launcher for `start`."""
    return ("-m", "torch.distributed.run", "--standalone", f"--nproc_per_node={processes}", *options)


def signalled_at(step: int, number: signal.Signals) -> Callable[[], None]:
    """What `start` prepares in a process that sends itself a signal as soon as it has logged a step.

    Watching from outside is too slow on a machine that has other work.
    """
    return partial(_signal_at, step, number)


def _signal_at(step: int, number: signal.Signals) -> None:
    add = Reports.add

    def add_and_signal(self: Reports, kind: str, at: int, values: dict[str, float]) -> None:
        add(self, kind, at, values)
        if (kind, at) == ("train", step):
            os.kill(os.getpid(), number)

    Reports.add = add_and_signal


def ended(run: TrainingProcess, seconds: float = 120) -> tuple[int, list[str]]:
    """Exit code and printed lines; kills a process that takes longer."""
    run.wait(seconds)
    code = run.code
    if code is None:
        run.kill()
        raise AssertionError(f"still running after {seconds} s: {run.lines()[-20:]}")
    return code, run.lines()


def wait_for_step(folder: Path, step: int, run: TrainingProcess) -> None:
    """Until the run has logged a later step than `step`, and saved one."""
    deadline = time.monotonic() + 240
    while time.monotonic() < deadline and run.code is None:
        steps = [line["step"] for line in read_metrics(folder)]
        if steps and max(steps) > step and (folder / "last.pt").is_file():
            return
        time.sleep(0.05)
    raise AssertionError("\n".join(run.lines()) if run.code is not None else "too slow")


def end_all() -> None:
    """Kill what a test has left running."""
    while STARTED:
        STARTED.pop().kill()


def errors_of(lines: list[str]) -> list[str]:
    """The lines that say what went wrong."""
    return [line for line in lines if line.startswith("error: ")]
