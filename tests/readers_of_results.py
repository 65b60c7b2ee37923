"""Readers of what the scripts have written themselves: records, the page, head and feet, checksums, checked lists."""

from __future__ import annotations

import json
from pathlib import Path

from datasets.pairs.pair_check import CheckRecord
from datasets.pairs.pair_files import Pair
from tests import mutations
from tests.reading_kinds import Reader
from utils.checksums import checksum_problem
from utils.errors import one_line
from utils.files import read_json, write_bytes
from utils.gallery import write_gallery
from utils.records import Records
from utils.result_folder import ResultFolder
from utils.texture_files import read_body


def of_results() -> dict[str, Reader]:
    """A few kilobytes of each."""

    def record(path: Path) -> object:
        records = Records(path.parent, "photos", {"--depth": 8})
        write_bytes(records.path("a"), path.read_bytes())
        again = records.why_again("a", [path])
        records.forget("a")
        records.write("a", {}, [])
        return again if again is None else one_line(again)

    def gallery(path: Path) -> object:
        """A page of a person whose record, joints of the head and mesh are anything."""
        folder = ResultFolder(path.parent / "run")
        for place in (folder.sheet("a"), folder.map_mesh("a"), folder.root / "records" / "photos" / "a.json"):
            write_bytes(place, path.read_bytes())
        return write_gallery(folder)

    def body(path: Path) -> object:
        folder = ResultFolder(path.parent)
        write_bytes(folder.body("a"), path.read_bytes())
        return read_body(folder, "a")

    def checked(path: Path) -> object:
        record = CheckRecord(path.parent, "RP", [Pair("RP", "a", 0)], 128)
        write_bytes(record.path, path.read_bytes())
        return record.bad_positions()

    done = {"settings": {"--depth": 8}, "people": {"a": {"frame": {}, "warnings": ["w"]}}, "inputs": {"a.json": [1, 2]},
            "files": {"meshes/a.glb": 7}}  # fmt: skip
    head = {"nose": [1.0, 2.0], "eyes": [1.0, 1.0], "neck": [1.0, 9.0]}
    bodies = {"head": head, "standing": {"ground": [0.0, 1.0, 0.0], "head_top": 1.7}}

    return {
        "record": Reader("a.json", (json.dumps(done).encode(),), record, mutations.json_text),
        "page": Reader("a.json", (json.dumps(done).encode(),), gallery, mutations.json_text),
        "head and feet": Reader("a.json", (json.dumps(bodies).encode(),), body, mutations.json_text),
        "run.json": Reader(
            "a.json", (json.dumps({"subject": 1}).encode(),), lambda path: read_json(path, "a run"), mutations.json_text
        ),
        "checksums": Reader(
            "SHA256SUMS",
            (b"ab" * 32 + b"  a.pt\n",),
            lambda path: checksum_problem(path.with_name("a.pt"), "restore it"),
            mutations.text,
        ),
        "checked list": Reader(
            ".RP_128.checked.json", (b'{"ages": {"list/RP.txt": null}, "bad": [1, 2]}',), checked, mutations.json_text
        ),
    }
