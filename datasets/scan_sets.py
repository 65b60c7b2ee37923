"""The sets of scans by the names that users give them: published ones, synthetic people, any folder of meshes."""

from __future__ import annotations

from pathlib import Path

from datasets.rendering.scan_sources import MeshFolder, RenderPeople, ScanSource, THuman2, TwoK2K
from utils.errors import InputError


def open_source(
    data_path: Path, data_name: str, *, size: int, count: int, seed: int, smpl_model_path: Path | None
) -> ScanSource:
    """The set that a user names.

    Args:
        data_name: RP, THuman2, 2K2K, Synthetic, or a folder of meshes.
        size: of the renders [px].
        count, seed: of Synthetic.
        smpl_model_path: folder with the SMPL-X fits of THuman2.

    Raises:
        InputError: neither a set nor a folder.
    """
    if data_name == "RP":
        return RenderPeople(data_path, size)
    if data_name == "THuman2":
        return THuman2(data_path, size, smpl_model_path)
    if data_name == "2K2K":
        return TwoK2K(data_path, size)
    if data_name == "Synthetic":
        # the generator's packages and its 11 MB body are loaded only for those who ask for synthetic people
        from datasets.synthetic.synthetic_source import Synthetic

        return Synthetic(count, seed)
    if data_name and Path(data_name).is_dir():
        return MeshFolder(Path(data_name), size)
    raise InputError(f"--data_name {data_name}: expected RP, THuman2, 2K2K, Synthetic or a folder of meshes")
