"""Write the networks of a checkpoint as ONNX files, for onnxruntime and other runtimes.

python -m models.export_onnx checkpoints/small.pt onnx/

All inputs and outputs are float32, (1, channels, height, width), for one person; R is the model's canvas, r = R / 8.

  file                 inputs                                              output
  coarse_normals.onnx  photo (3, r, r)                                     normals (6, r, r)
  coarse_depth.onnx    photo (3, r, r), normals (6, r, r)                  depths_and_mask_logit (3, r, r)
  part_KIND.onnx       photo_and_coarse_normals (6, h, w)                  normals (6, h, w)
  refiner.onnx         coarse_depths (2, r, r), normals (6, R, R)          depths_and_mask_logit (3, R, R)

  photo          RGB in [-1, 1]; for the coarse networks the mean of the middle 2x2 of every 8x8 of the canvas
  normals        stored normals, front in channels 0-2, back in 3-5: 0.5 + 0.5 n inside, 0 on the background; the
                 refiner takes the fused ones, the parts the photo and the enlarged coarse front normals of their crop
  depths         network depth of front and back: cut them to [0, 6] (METHOD.md 2); of coarse_depths the background is
                 6 in front and 0 behind
  mask_logit     above 0 is the person

KIND is face, upper, arm, leg or shoe, h x w its crop; one file serves all parts of its kind. Crops, fusion and
backgrounds are geometry and not in the files (models/digitizer.py). A checkpoint of phase 1 gives no refiner.onnx.
Needs `pip install -r requirements-onnx.txt`.
"""

from __future__ import annotations

from utils.script import ends_in_one_line

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

# Like the scripts of the top level, this one stands above everything; nothing imports it.
from models.build import load_digitizer
from models.onnx_files import onnx_networks, write_onnx
from utils.errors import InputError


@ends_in_one_line
def main(argv: Sequence[str] | None = None) -> int:
    """Returns 0 when all networks were written, 1 otherwise."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", type=Path, help="of this project, or the authors' .pth.tar")
    parser.add_argument("folder", type=Path, help="where the ONNX files go")
    args = parser.parse_args(argv)
    try:
        model = load_digitizer(args.checkpoint, refiner=None).eval()
        for name, network in onnx_networks(model).items():
            write_onnx(network, args.folder / f"{name}.onnx")
            print(args.folder / f"{name}.onnx", flush=True)
    except InputError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
