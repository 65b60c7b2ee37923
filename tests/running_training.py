"""train.py in processes of its own: one, several under torchrun, or several that meet by hand like two nodes."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from training.reports import read_metrics

ROOT = Path(__file__).parents[1]
STARTED: list[subprocess.Popen] = []
"""All that `start` has started, for `end_all`."""
SMOKE = ["--config", str(ROOT / "configs/smoke.yaml")]


def free_port() -> int:
    """A port that nobody listens at."""
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
) -> subprocess.Popen:
    """train.py with the smoke config; stdout and stderr come together."""
    command = [*prefix, sys.executable, *launcher, "train.py", *SMOKE, *map(str, arguments)]
    variables = os.environ | {"OMP_NUM_THREADS": "1"} | dict(environment or {})
    process = subprocess.Popen(command, cwd=ROOT, env=variables, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    STARTED.append(process)
    return process


def start_nodes(
    first: tuple[object, ...], second: tuple[object, ...], nodes: tuple[Node, Node] | None = None
) -> list[subprocess.Popen]:
    """One process on each of two nodes; they meet at the first."""
    nodes = nodes or (Node(), Node())
    meeting = {"MASTER_ADDR": nodes[0].address, "MASTER_PORT": str(free_port()), "WORLD_SIZE": "2"}
    return [
        start(*command, environment=meeting | {"RANK": str(rank)} | node.environment, prefix=node.prefix)
        for rank, (command, node) in enumerate(zip((first, second), nodes, strict=True))
    ]


def torchrun(processes: int, *options: str) -> tuple[str, ...]:
    """The launcher for `start`."""
    return ("-m", "torch.distributed.run", "--standalone", f"--nproc_per_node={processes}", *options)


def signalled_at(step: int, number: int) -> tuple[str, ...]:
    """The launcher for `start` of a process that sends itself a signal as soon as it has logged a step.

    Nobody who watches from outside is quick enough on a machine that has other work.
    """
    code = (
        "import os, sys, train; from training.reports import Reports; add = Reports.add\n"
        "def add_and_die(self, kind, step, values):\n"
        "    add(self, kind, step, values)\n"
        f"    if (kind, step) == ('train', {step}): os.kill(os.getpid(), {number:d})\n"
        "Reports.add = add_and_die; sys.exit(train.main(sys.argv[2:]))"
    )
    return ("-c", code)


def ended(process: subprocess.Popen, seconds: float = 120) -> tuple[int, list[str]]:
    """Exit code and printed lines; kills a process that takes longer."""
    try:
        output, _ = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        output, _ = process.communicate()
        raise AssertionError(f"still running after {seconds} s: {output.decode()[-2000:]}") from None
    return process.returncode, output.decode().strip().replace("\r", "\n").splitlines()


def wait_for_step(folder: Path, step: int, process: subprocess.Popen) -> None:
    """Until the run has logged a later step than `step`, and saved one."""
    deadline = time.monotonic() + 240
    while time.monotonic() < deadline and process.poll() is None:
        steps = [line["step"] for line in read_metrics(folder)]
        if steps and max(steps) > step and (folder / "last.pt").is_file():
            return
        time.sleep(0.05)
    raise AssertionError(process.stdout.read().decode() if process.poll() is not None else "too slow")


def end_all() -> None:
    """Kill what a test has left running."""
    while STARTED:
        process = STARTED.pop()
        process.kill()
        process.wait()


def errors_of(lines: list[str]) -> list[str]:
    """The lines that say what went wrong."""
    return [line for line in lines if line.startswith("error: ")]
