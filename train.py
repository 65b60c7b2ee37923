"""Train the model: phase 1 learns normals and coarse depth, phase 2 the refiner on top.

python train.py --data_path ./data --phase 1 --config configs/small.yaml
python train.py --data_path ./data --phase 2 --config configs/small.yaml --load_ckpt checkpoints/small_phase1/best.pt
torchrun --nproc_per_node=4 train.py --data_path ./data --phase 1
"""

from __future__ import annotations

from utils.script import ends_in_one_line, importing

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from training.failure import TrainingFailed
from utils.choices import Precision
from utils.command_line import given_path
from utils.config import build_config, override, read_yaml
from utils.distributed import is_main
from utils.errors import InputError

if TYPE_CHECKING:
    from training.settings import Settings


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data_path", type=given_path, default=Path("data"), help="data folder in the official layout")
    parser.add_argument("--phase", type=int, choices=(1, 2), required=True)
    parser.add_argument("--config", type=given_path, default=Path("configs/paper.yaml"))
    parser.add_argument("--batch_size", type=int, help="per process; the config's when left out")
    parser.add_argument(
        "--precision",
        choices=get_args(Precision),
        help="of convolutions; the config's when left out; tf32 is fp32 on a CPU",
    )
    parser.add_argument("--load_ckpt", type=given_path, help="weights to start from; phase 2 needs those of phase 1")
    parser.add_argument("--save_path", type=given_path, help="folder of the run (checkpoints/{config}_phase{phase})")
    parser.add_argument("--resume", action="store_true", help="go on with the run in --save_path, if there is one")
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="any key of the config, such as run.seed=1"
    )
    return parser.parse_args(argv)


def read_settings(args: argparse.Namespace) -> Settings:
    """The config file with the command line's changes.

    Raises:
        InputError: names the key.
    """
    from training.settings import Settings

    changes = list(args.set)
    if args.batch_size is not None:
        changes.append(f"phase{args.phase}.batch_size={args.batch_size}")
    if args.precision is not None:
        changes.append(f"phase{args.phase}.precision={args.precision}")
    return build_config(Settings, override(read_yaml(args.config), changes), str(args.config))


@ends_in_one_line
def main(argv: Sequence[str] | None = None) -> int:
    """Returns the exit code: 0 finished, 1 failed, 128 + the signal's number when stopped."""
    args = parse_args(argv)
    folder = args.save_path or Path("checkpoints") / f"{args.config.stem}_phase{args.phase}"
    with importing():
        from training.loop import train
        from training.run import Run
    try:
        settings = read_settings(args)
        run = Run(settings, args.phase, args.data_path, folder, start_from=args.load_ckpt, resume=args.resume)
        ended = train(run)
    except (InputError, TrainingFailed) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    if is_main():
        print(f"{folder}: {'finished' if ended.is_finished else 'stopped, --resume goes on'} at step {ended.step}")
    return 0 if ended.is_finished else 128 + (ended.signal or 0)


if __name__ == "__main__":
    sys.exit(main())
