"""Closed point clouds of test_model.py to colored meshes: screened Poisson, the paper's way.

python test_poisson.py results/demo                 a folder of results
python test_poisson.py photo.jpg                    what test_model.py was given: its results in results/photo
"""

from __future__ import annotations

from utils.script import ends_in_one_line

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from tqdm import tqdm

from utils.batch import run_batch
from utils.command_line import HelpFormatter, given_path, metres, positive
from utils.distributed import cores
from utils.errors import InputError, one_line
from utils.files import check_writable
from utils.gallery import write_gallery
from utils.records import Records, stamps
from utils.result_folder import CLOSED_CLOUDS, ResultFolder

FORMATS = ("obj", "ply", "glb")
DEPTHS = range(4, 14)


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=HelpFormatter)
    parser.add_argument(
        "inputs", nargs="*", type=given_path, metavar="FOLDER", help="results of test_model.py, or what it was given"
    )
    parser.add_argument("--save_path", type=given_path, default=Path("results"), help="folder of all results")
    parser.add_argument("--save_name", help="name of the results in it (default: that of the photo or folder)")
    parser.add_argument("--depth", type=int, default=10, choices=DEPTHS, metavar="4-13", help="of the octree")
    parser.add_argument(
        "--format", default="obj", choices=FORMATS, help="of the meshes; glb carries the photo, others colors"
    )
    parser.add_argument(
        "--height", type=metres, metavar="M", help="of the person: puts the mesh in metres, the feet on the ground at 0"
    )
    parser.add_argument("--jobs", type=positive, default=1, metavar="N", help="clouds side by side")
    parser.add_argument("--overwrite", action="store_true", help="do finished ones again")
    args = parser.parse_intermixed_args(argv)
    if not args.inputs and args.save_name is None:
        parser.error("expected a folder of results, or --save_name")
    return args


def results_of(args: argparse.Namespace) -> ResultFolder:
    """The folder that is meant: of results itself, or that of the photos that are named."""
    if args.save_name is None and len(args.inputs) == 1 and (args.inputs[0] / CLOSED_CLOUDS).is_dir():
        return ResultFolder.at(args.inputs[0])
    return ResultFolder.of(args.save_path, args.save_name, args.inputs)


def find_clouds(folder: Path) -> list[str]:
    """Names of the clouds in a folder, sorted.

    Raises:
        InputError: there is no such folder, or it has no clouds.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder, expected the point clouds that test_model.py writes")
    names = sorted(path.stem for path in folder.iterdir() if path.suffix == ".ply" and not path.name.startswith("."))
    if not names:
        raise InputError(f"{folder}: no .ply files, expected the point clouds that test_model.py writes")
    return names


def inputs_of(name: str, run: ResultFolder, suffix: str, height: float | None) -> list[Path]:
    """The files that a mesh is made from."""
    textured = [run.texture(name), *(run.image(f"depth/{name}_{side}") for side in ("front", "back"))]
    body = [run.body(name)] if suffix == "glb" or height is not None else []
    return [run.cloud(name, closed=True), *body, *(textured if suffix == "glb" else [])]


def mesh_cloud(
    name: str, run: ResultFolder, records: Records, depth: int, threads: int, height: float | None = None
) -> None:
    """Read one cloud of a run, write its mesh; the kind of its records is the format."""
    # Open3D takes a second to import: the process that only starts others does not need it.
    from geometry.surface import points_inwards, reconstruct_surface
    from utils.mesh_files import write_mesh
    from utils.ply import read_cloud
    from utils.texture_files import read_body, textured_like_maps

    records.forget(name)
    path, mesh_path = run.cloud(name, closed=True), run.mesh(name, records.kind)
    check_writable(mesh_path.parent)
    inputs, cloud = stamps(inputs_of(name, run, records.kind, height)), read_cloud(path)
    if points_inwards(cloud):
        tqdm.write(one_line(f"note: {path}: its normals point inwards and are turned"), file=sys.stderr)
        cloud = replace(cloud, normals=-cloud.normals)
    try:
        mesh = reconstruct_surface(cloud, depth, threads)
    except ValueError as error:
        raise InputError(f"{path}: {error}") from error
    # Runs of other programs have clouds without textures: their meshes keep the cloud's colors.
    textured = textured_like_maps(mesh, run, name) if records.kind == "glb" and run.texture(name).exists() else None
    if height is not None:
        standing = read_body(run, name).standing
        mesh = mesh.moved(standing.in_metres(mesh.vertices, height))
        textured = textured and textured.moved(standing.in_metres(textured.mesh.vertices, height))
    write_mesh(mesh_path, textured or mesh)
    records.write(name, inputs, [mesh_path])


@ends_in_one_line
def main(argv: Sequence[str] | None = None) -> int:
    """Returns the exit code: 0 when every cloud has become a mesh."""
    args = parse_args(argv)
    run = results_of(args)
    try:
        names = find_clouds(run.root / CLOSED_CLOUDS)
    except InputError as error:
        print(error, file=sys.stderr)
        return 2
    records = Records(run.root, args.format, {"--depth": args.depth, "--height": args.height})
    threads = cores(args.jobs)

    def is_done(name: str) -> bool:
        why = records.why_again(name, inputs_of(name, run, args.format, args.height))
        if why:
            print(f"{name}: done again: {why}")
        return why is None

    report = run_batch(
        names,
        partial(mesh_cloud, run=run, records=records, depth=args.depth, threads=threads, height=args.height),
        is_done=(lambda name: False) if args.overwrite else is_done,
        title="mesh",
        jobs=args.jobs,
        # Open3D's solver has been seen to crash, once in some hundred clouds; the same cloud passed the next time.
        apart=True,
    )
    report.print_summary("meshes written")
    write_gallery(run)  # its links to the meshes
    return report.exit_code


if __name__ == "__main__":
    sys.exit(main())
