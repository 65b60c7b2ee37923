"""A page for a folder of results that opens by double click: every person as photo, normals and in 3D, without network.

The page loads meshes as scripts, since a page from the disk may fetch nothing else, and only those of the people in
view. The viewer is three.js (MIT), bundled by bundle.sh.
"""

from __future__ import annotations

import base64
import json
import os
from collections import defaultdict
from pathlib import Path
from typing import Any
from urllib.parse import quote

from utils.errors import InputError
from utils.files import read_json, write_bytes, write_text
from utils.result_folder import CLOSED_CLOUDS, MESHES, SHEETS, ResultFolder

HERE = Path(__file__).parent
FOLDER = "web"
"""Where the page's parts lie in a folder of results, beside index.html."""


def write_gallery(folder: ResultFolder) -> Path | None:
    """Write index.html for everybody who has a contact sheet in a folder of results.

    Returns:
        The page; None when no person is in the folder.
    """
    names = sorted(path.stem for path in (folder.root / SHEETS).glob("*.png"))
    if not names:
        return None
    warnings, meshes = _warnings(folder), _meshes(folder)
    people = [_person(folder, name, warnings.get(name, []), meshes[name]) for name in names]
    web = folder.root / FOLDER
    write_text(web / "people.js", f"const people = {_script(people)};\n")
    for part in ("page.js", "viewer.min.js", "LICENSE.three.txt"):
        write_bytes(web / part, (HERE / part).read_bytes())
    for script in (web / "meshes").glob("[!.]*.js"):
        if script.stem not in names:
            script.unlink(missing_ok=True)
    page = folder.root / "index.html"
    write_text(page, (HERE / "page.html").read_text(encoding="utf-8"))
    return page


def person_page(glb: bytes) -> str:
    """One person in 3D as an HTML page of its own, about 3 MB, which holds mesh and viewer.

    Args:
        glb: a binary glTF file.
    """
    page = (HERE / "person.html").read_text(encoding="utf-8")
    viewer = (HERE / "viewer.min.js").read_text(encoding="utf-8").replace("</script", "<\\/script")
    return page.replace("{{viewer}}", viewer).replace("{{mesh}}", base64.b64encode(glb).decode("ascii"))


def _person(folder: ResultFolder, name: str, warnings: list[str], meshes: list[Path]) -> dict[str, Any]:
    """What the page shows of one person; files by their addresses relative to the page."""
    mesh = next((path for path in (folder.map_mesh(name), folder.mesh(name, "glb")) if path.is_file()), None)
    files = [
        ("mesh", folder.map_mesh(name)),
        *((f"Poisson mesh ({path.suffix[1:]})", path) for path in meshes if not _is_outdated(folder, name, path)),
        ("cloud", folder.root / CLOSED_CLOUDS / f"{name}.ply"),
        ("depth", folder.image(f"depth/{name}_front")),
        ("turntable", folder.turntable(name)),
        ("sheet", folder.sheet(name)),
    ]
    return {
        "name": os.fsencode(name).decode("utf-8", "replace"),
        "photo": _address(folder, folder.image(f"images/{name}")),
        "normals": _address(folder, folder.image(f"normal/{name}_front")),
        "mesh": None if mesh is None else _as_script(folder, name, mesh),
        "files": [(text, _address(folder, path)) for text, path in files if path.is_file()],
        "warnings": warnings,
    }


def _is_outdated(folder: ResultFolder, name: str, mesh: Path) -> bool:
    """Whether a mesh is of an older cloud than the one that is there."""
    cloud = folder.cloud(name, closed=True)
    return cloud.is_file() and mesh.stat().st_mtime_ns < cloud.stat().st_mtime_ns


def _meshes(folder: ResultFolder) -> dict[str, list[Path]]:
    """Name -> Poisson meshes."""
    found = defaultdict(list)
    for path in sorted((folder.root / MESHES).glob("*.*")):
        found[path.stem].append(path)
    return found


def _as_script(folder: ResultFolder, name: str, mesh: Path) -> str:
    """Write a mesh as a script of the same age, unless that is there; returns its place."""
    path, age = folder.root / FOLDER / "meshes" / f"{name}.js", mesh.stat().st_mtime_ns
    if not path.is_file() or path.stat().st_mtime_ns != age:
        text = base64.b64encode(mesh.read_bytes()).decode("ascii")
        write_text(path, f'meshes.add({_script(_address(folder, path))}, "{text}");\n')
        os.utime(path, ns=(age, age))  # a mesh that was put back is older than what was made of the one in between
    return _address(folder, path)


def _warnings(folder: ResultFolder) -> dict[str, list[str]]:
    """Name -> what was doubtful, out of the records of the photos (utils.records)."""
    found: dict[str, list[str]] = {}
    for path in sorted((folder.root / "records").glob("*/*.json")):
        try:
            people = read_json(path, "the record of a result").get("people", {})
            found |= {name: [str(text) for text in about["warnings"]] for name, about in people.items()}
        except (InputError, AttributeError, KeyError, TypeError):
            continue  # a record that cannot be read makes its photo be done again; here it only lacks its warnings
    return found


def _address(folder: ResultFolder, path: Path) -> str:
    """A file's address relative to the page, for names of any bytes."""
    return quote(os.fsencode(path.relative_to(folder.root).as_posix()))


def _script(value: Any) -> str:
    """A value as JavaScript that may stand in a file of its own or in a page."""
    return json.dumps(value, ensure_ascii=True).replace("</", "<\\/")
