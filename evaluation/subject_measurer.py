"""One subject of a run of evaluate.py, measured in whichever process."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from datasets.rendering.scan_sources import ScanSource
from evaluation.distances import Surface
from evaluation.figures import write_turntable
from evaluation.measured_mesh import checked_mesh, read_mesh
from evaluation.measurement import Distribution, Measurement
from evaluation.protocols import PROTOCOLS, check_plausible
from evaluation.subjects import Comparison, TrueMesh, frame_of, load_meshes, measure_maps
from evaluation.visible_part import visible_part
from geometry.scan_frame import ScanFrame
from utils.files import write_text


@dataclass(frozen=True)
class SubjectMeasurer:
    """Measures one subject after another, in this process or another one."""

    pairs: dict[str, Comparison]
    source: ScanSource | None  # where scans come from; None: from the files that the pairs name
    has_hidden_parts: bool  # those scans, as a whole body under the clothes; a scanner would not have seen them
    protocol: str
    frame: str
    seed: int
    numbers: Path  # folder for one JSON file per subject
    pictures: Path  # folder for one turntable per subject

    def __call__(self, name: str) -> None:
        pair = self.pairs[name]
        measurement = measure_maps(pair) if self.protocol == "maps" else self._measure_meshes(pair)
        write_text(self.numbers / f"{name}.json", json.dumps(asdict(measurement)))

    def _measure_meshes(self, pair: Comparison) -> Measurement:
        meshes = load_meshes(pair, self._true_mesh(pair), self.frame, keep_metres=self.protocol == "sith")
        predicted, truth = (Surface(mesh) for mesh in meshes)
        measurement = PROTOCOLS[self.protocol](predicted, truth, self.seed)
        measurement.warnings += check_plausible(*meshes)
        write_turntable(self.pictures / f"{pair.name}.png", pair.name, predicted, truth)
        return measurement

    def _true_mesh(self, pair: Comparison) -> TrueMesh:
        if self.source is None:
            return TrueMesh.of(pair.truth, read_mesh(pair.truth))
        scan = self.source.load(pair.subject)
        mesh = checked_mesh(Path(pair.subject), scan.mesh)
        frame = frame_of(Path(pair.subject), mesh)
        frame = ScanFrame(frame.offset, frame.scale / scan.frame_scale)
        return TrueMesh(visible_part(mesh) if self.has_hidden_parts else mesh, frame)

    def result(self, name: str) -> Measurement:
        """The measurement of a subject that was called before."""
        content = json.loads((self.numbers / f"{name}.json").read_text(encoding="utf-8"))
        distributions = {block: Distribution(**one) for block, one in content["distributions"].items()}
        return Measurement(content["values"], distributions, content["warnings"])
