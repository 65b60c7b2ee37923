"""Records: which files belong to which result."""

from __future__ import annotations

from pathlib import Path

from utils.records import Records


def made(root: Path, *names: str) -> list[Path]:
    paths = [root / name for name in names]
    for path in paths:
        path.write_text("x")
    return paths


def test_a_result_takes_its_old_files_away_but_not_those_that_are_anothers_by_now(tmp_path):
    """Photos a and a_1, one person of each at first; then everybody: a has the people a_1 and a_2, a_1 has a_1_1."""
    records = Records(tmp_path, "photos", {})
    records.write("a", {}, made(tmp_path, "a.glb"))
    records.write("a_1", {}, made(tmp_path, "a_1.glb"))
    records.forget("a")
    records.forget("a_1")
    records.write("a", {}, made(tmp_path, "a_1.glb", "a_2.glb"))
    records.write("a_1", {}, made(tmp_path, "a_1_1.glb"))
    assert sorted(path.name for path in tmp_path.glob("*.glb")) == ["a_1.glb", "a_1_1.glb", "a_2.glb"]
    assert records.why_again("a", []) is None and records.why_again("a_1", []) is None
    records.write("a", {}, made(tmp_path, "a_1.glb"))  # one person less
    assert sorted(path.name for path in tmp_path.glob("*.glb")) == ["a_1.glb", "a_1_1.glb"]
