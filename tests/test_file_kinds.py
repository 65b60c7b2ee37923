"""Files under another file's name, as broken downloads leave them, are called what they are by every reader."""

import gzip

import pytest

from evaluation.pairing import read_split
from utils.checkpoint import read_checkpoint
from utils.errors import InputError
from utils.files import read_json, read_photo
from utils.mesh_formats.mesh_reader import read_mesh_file
from utils.ply import read_cloud

STRANGERS = {
    "a pointer of Git LFS": b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n",
    "a web page": b"<!DOCTYPE html>\n<title>Not found</title>",
    "a gzip archive": gzip.compress(b"v 0 0 0"),
    "a safetensors file": (20).to_bytes(8, "little") + b'{"a":{"dtype":"F32"}}',
}
READERS = {
    "a.png": read_photo,
    "a.json": lambda path: read_json(path, "joints"),
    "a.txt": read_split,
    "a.pt": read_checkpoint,
    "a.obj": read_mesh_file,
    "a.ply": read_cloud,
}


@pytest.mark.parametrize("name", READERS)
@pytest.mark.parametrize("what", STRANGERS)
def test_a_file_that_is_another_one_is_called_what_it_is(tmp_path, name, what):
    (tmp_path / name).write_bytes(STRANGERS[what])
    with pytest.raises(InputError, match=f"{name}: .*{what}.*expected"):
        READERS[name](tmp_path / name)
