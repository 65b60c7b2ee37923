"""The page of a folder of results: everybody on it, complete without network, in a real browser."""

import json
import os
from pathlib import Path

import numpy as np
import pytest

from geometry.mesh import Mesh
from tests.browser import needs_browser, open_page
from utils.files import write_png
from utils.gallery import write_gallery
from utils.mesh_files import write_mesh
from utils.result_folder import ResultFolder

RED = (220, 30, 30)


def put_person(folder: ResultFolder, name: str) -> None:
    """A red tetrahedron who has every file that the page shows."""
    corners = np.array([[0, 0.3, 0], [-0.25, -0.2, 0.15], [0.25, -0.2, 0.15], [0, -0.2, -0.3]])
    faces = np.array([[0, 1, 2], [0, 2, 3], [0, 3, 1], [1, 3, 2]])
    write_mesh(folder.map_mesh(name), Mesh(corners, faces, np.tile(np.uint8(RED), (4, 1))))
    for place in (f"images/{name}", f"normal/{name}_front", f"depth/{name}_front"):
        write_png(folder.image(place), np.full((32, 32, 3), 90, np.uint8))
    write_png(folder.sheet(name), np.zeros((8, 8, 3), np.uint8))


def people_of(page: Path) -> list[dict]:
    text = (page.parent / "web" / "people.js").read_text()
    return json.loads(text.removeprefix("const people = ").removesuffix(";\n"))


def test_everybody_with_a_sheet_is_on_the_page(tmp_path):
    folder = ResultFolder(tmp_path)
    for name in ("zoe", "anna"):
        put_person(folder, name)
    people = people_of(write_gallery(folder))
    assert [person["name"] for person in people] == ["anna", "zoe"]
    assert [text for text, _ in people[0]["files"]] == ["mesh", "depth", "sheet"]
    for address in (people[0]["mesh"], people[0]["photo"], people[0]["normals"]):
        assert (tmp_path / address).is_file()


def test_an_empty_folder_has_no_page(tmp_path):
    assert write_gallery(ResultFolder(tmp_path)) is None
    assert not list(tmp_path.iterdir())


def test_warnings_come_from_the_records(tmp_path):
    folder = ResultFolder(tmp_path)
    put_person(folder, "anna")
    (tmp_path / "records" / "photos").mkdir(parents=True)
    record = {"people": {"anna": {"warnings": ["two people: the larger was taken"]}}}
    (tmp_path / "records" / "photos" / "anna.json").write_text(json.dumps(record))
    (tmp_path / "records" / "photos" / "broken.json").write_text("{")
    assert people_of(write_gallery(folder))[0]["warnings"] == ["two people: the larger was taken"]


@pytest.mark.parametrize("later", [10**9, -(10**9)])
def test_a_mesh_is_packed_again_only_when_it_is_another(tmp_path, later):
    """One that was put back is older."""
    folder = ResultFolder(tmp_path)
    put_person(folder, "anna")
    write_gallery(folder)
    script, mesh = tmp_path / "web" / "meshes" / "anna.js", folder.map_mesh("anna")
    first = script.stat()
    write_gallery(folder)
    assert script.stat().st_ino == first.st_ino
    mesh.write_bytes(b"another")
    os.utime(mesh, ns=(first.st_mtime_ns + later, first.st_mtime_ns + later))
    write_gallery(folder)
    assert "YW5vdGhlcg==" in script.read_text()


@needs_browser
@pytest.mark.parametrize("name", ["anna", "</script> 100% #1 müller?"])
def test_the_browser_shows_a_person_without_network(tmp_path, name):
    folder = ResultFolder(tmp_path / "results")
    if "/" in name:
        name = name.replace("/", "\u2215")
    put_person(folder, name)
    shown = open_page(write_gallery(folder), tmp_path, size=(700, 500))
    red = (shown.picture[..., 0] > 100) & (shown.picture[..., 1:].max(-1) < 80)
    assert red.sum() > 3000
    assert shown.console == []
    assert shown.requests == []


@needs_browser
def test_a_page_without_meshes_is_still_a_page(tmp_path):
    folder = ResultFolder(tmp_path / "results")
    put_person(folder, "anna")
    folder.map_mesh("anna").unlink()
    shown = open_page(write_gallery(folder), tmp_path, seconds=2)
    assert shown.console == []


@needs_browser
def test_a_page_that_asks_the_network_is_noticed(tmp_path):
    page = tmp_path / "page.html"
    page.write_text('<script src="https://example.org/three.js"></script>')
    assert open_page(page, tmp_path, seconds=2).requests
