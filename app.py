"""A page to try it: upload a photo, watch the person appear, turn them, correct joints, download everything.

python app.py                        then open http://127.0.0.1:7860

Only this machine can reach the page, and it asks nothing of the network. Needs `pip install -r requirements-app.txt`.
"""

from __future__ import annotations

from utils.script import ends_in_one_line, importing

import argparse
import importlib.util
import os
import socket
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from utils.choices import SHIPPED_CHECKPOINT
from utils.command_line import HelpFormatter, positive
from utils.distributed import cores
from utils.errors import InputError

SAMPLES = Path(__file__).parent / "samples"


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=HelpFormatter)
    parser.add_argument("--load_ckpt", default=SHIPPED_CHECKPOINT, help="checkpoint of this project, or the authors'")
    parser.add_argument("--device", default="auto", help="auto (CUDA where there is one), cpu, cuda, cuda:n or mps")
    parser.add_argument("--port", type=positive, default=7860, help="of the page on 127.0.0.1")
    parser.add_argument("--jobs", type=positive, default=1, help="photos at a time; the others wait")
    return parser.parse_args(argv)


def check_port(port: int) -> None:
    """Find out before the model is loaded whether a page can be served there.

    Raises:
        InputError: it cannot.
    """
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except (OSError, OverflowError) as error:
            why = getattr(error, "strerror", None) or "no such port"
            raise InputError(f"--port {port}: {why}, expected one from 1 to 65535 that is free") from error


@ends_in_one_line
def main(argv: Sequence[str] | None = None) -> int:
    """Serve the page until Ctrl-C; returns the exit code."""
    args = parse_args(argv)
    os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    if importlib.util.find_spec("gradio") is None:
        print("error: Gradio is not installed: pip install -r requirements-app.txt", file=sys.stderr)
        return 2
    try:
        check_port(args.port)
        with importing():
            import torch

            from inference import PhotoDigitizer
        digitizer = PhotoDigitizer.load(args.load_ckpt, args.device)
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    torch.set_num_threads(cores(args.jobs))
    with tempfile.TemporaryDirectory(prefix="2k2k_") as folder:
        os.environ["GRADIO_TEMP_DIR"] = str(Path(folder) / "uploads")
        # Gradio takes two seconds to import, and reads the environment as it is imported.
        from inference.demo_page import Demo, build_page, serve

        serve(build_page(Demo(digitizer, Path(folder)), SAMPLES, args.jobs), args.port, [Path(folder), SAMPLES])
    return 0


if __name__ == "__main__":
    sys.exit(main())
