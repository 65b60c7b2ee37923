"""The result for one person and everything made from it: maps, clouds, surface, contact sheet, files."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from geometry.depth import distance_from_network
from geometry.keypoints import FINGERS, INDEX
from geometry.map_mesh import map_mesh, shrunk_maps
from geometry.mesh import Mesh
from geometry.photo_projection import PhotoProjection
from geometry.point_cloud import PointCloud, Sides, lift_sides, sides_cloud, silhouettes
from geometry.side_gap import closed_cloud
from geometry.standing import Standing
from geometry.textured_mesh import TexturedMesh
from geometry.warp import part_corners
from inference.subject import Subject
from models.digitizer import Conventions, DepthMaps, Digitized
from models.final_depth import final_depth
from models.result_maps import result_pictures
from utils.back_of_trunk import TrunkJoints
from utils.computed_once import computed_once
from utils.contact_sheet import SheetInput, contact_sheet
from utils.errors import InputError
from utils.files import write_bytes, write_png
from utils.head_hair import HALF_WIDTH, HeadJoints
from utils.mesh_files import write_mesh
from utils.photo_texture import Texture, photo_texture, texture_size
from utils.ply import write_cloud
from utils.portrait import turntable
from utils.result_folder import ResultFolder
from utils.texture_files import Body, write_texture

SHEET_CANVAS = 1024
"""Largest canvas [px] whose maps a contact sheet shows pixel by pixel."""
VIEWING_CANVAS = 384
"""Pixels a side, about, of the maps whose mesh has as many faces as a web page turns with ease: 60 000 to 120 000."""


@dataclass(frozen=True)
class MeshOptions:
    """How the mesh straight from the maps is made and written."""

    step: int | None = None  # pixels of the maps to a vertex, along rows and columns; None: about 100 000 faces
    open_jumps: bool = False  # leave out the steps from an arm to the hip behind it
    height: float | None = None  # [m] of the person: metres, feet at 0; None: the camera's frame
    turntable: bool = False  # write the animated picture, too


@dataclass(frozen=True)
class Maps:
    """Outputs of the networks on the R x R canvas; the back maps lie on the front view's pixel grid, not mirrored."""

    distance_front: np.ndarray  # (R, R) float32, along the unit ray from (0, 0, 1) [world units]; 0: background
    distance_back: np.ndarray  # (R, R) float32, the same of the last surface that the ray meets
    normals_front: np.ndarray  # (R, R, 3) float32, (n + 1) / 2 of the code for slopes (METHOD.md 6); 0: no part
    normals_back: np.ndarray  # (R, R, 3) float32
    mask: np.ndarray  # (R, R) float32, probability that the pixel is the person


@dataclass(frozen=True)
class DigitizedPerson:
    """One person out of one photo. Everything is computed when it is first asked for.

    Points and meshes are in the camera's world: X right, Y up, Z towards the viewer, the camera at (0, 0, 1) with a
    field of view of 50 deg (geometry.camera).
    """

    subject: Subject
    result: Digitized  # of a batch of one
    conventions: Conventions  # of the model, or what the user wants instead

    @property
    def name(self) -> str:
        """Of the files."""
        return self.subject.name

    @property
    def warnings(self) -> tuple[str, ...]:
        """What was doubtful about joints and mask, one line each."""
        return self.subject.person.warnings

    @computed_once
    def depth(self) -> DepthMaps:
        """(1, 1, R, R) network depth and mask logits on the whole canvas, on the CPU."""
        return final_depth(self.result, self.subject.mask, self.conventions)

    @computed_once
    def maps(self) -> Maps:
        """The maps as arrays."""
        front, back = self._network_depth()
        inside, _ = silhouettes(front, back)
        fused = self.result.fused[0].float().cpu().numpy().transpose(1, 2, 0)
        return Maps(
            distance_front=np.where(inside, distance_from_network(front), 0).astype(np.float32),
            distance_back=np.where(inside, distance_from_network(back), 0).astype(np.float32),
            normals_front=fused[..., :3],
            normals_back=fused[..., 3:],
            mask=self.depth.mask_logits[0, 0].sigmoid().numpy(),
        )

    @computed_once
    def sides(self) -> Sides:
        """Both depth maps lifted into space.

        Raises:
            InputError: the model found no body.
        """
        try:
            return lift_sides(*self._network_depth())
        except ValueError as error:
            raise InputError(f"{self.name}: {error}") from error

    def _network_depth(self) -> tuple[np.ndarray, np.ndarray]:
        """(R, R) float32 front and back, with the networks' backgrounds."""
        front, back = (side[0, 0].numpy() for side in (self.depth.depth.front, self.depth.depth.back))
        return front, back

    @computed_once
    def cloud(self) -> PointCloud:
        """The pixels of both depth maps as colored, oriented points."""
        return sides_cloud(self.sides, self.subject.rgb)

    @computed_once
    def closed_cloud(self) -> PointCloud:
        """The cloud without flying pixels and with the side that neither map sees: what a surface is made from."""
        return closed_cloud(self.sides, self.subject.rgb)

    def map_mesh(self, step: int = 1, open_jumps: bool = False) -> Mesh:
        """The mesh straight from the maps, closed and without colors: a tenth of a second at 768 px.

        Args:
            step: pixels of the maps to a vertex, along rows and along columns; a divisor of the canvas.
            open_jumps: leave out the steps from an arm to the hip behind it; the mesh is open there.

        Raises:
            InputError: the model found no body, or the step is no divisor.
        """
        try:
            sides = self.sides if step == 1 else lift_sides(*shrunk_maps(*self._network_depth(), step))
            return map_mesh(sides, open_jumps)
        except ValueError as error:
            raise InputError(f"{self.name}: {error}") from error

    @computed_once
    def texture(self) -> Texture:
        """The photo at its own resolution, cut to the person, and the back of the person that follows from it."""
        side = texture_size(self.subject.canvas.side, self.sides)
        photo = self.subject.canvas.resized(side).image(self.subject.photo.rgb)
        return photo_texture(photo, self.subject.mask, self.sides, self.head, self.trunk)

    @computed_once
    def projection(self) -> PhotoProjection:
        """Of the photo onto surfaces that are near the maps."""
        return PhotoProjection.of(self.sides)

    @property
    def head(self) -> HeadJoints:
        """Joints of the head on the canvas."""
        at = {name: self.subject.joints[index] + 0.5 for name, index in INDEX.items()}
        eyes, shoulders = ((at[f"left_{pair}"] + at[f"right_{pair}"]) / 2 for pair in ("eye", "shoulder"))
        return HeadJoints(at["nose"], eyes, shoulders)

    @property
    def trunk(self) -> TrunkJoints:
        """Shoulders, hips and forearms on the canvas; the person's right is on the left."""
        joints = self.subject.joints + 0.5
        shoulders, elbows, wrists, hips = (
            joints[[INDEX[f"{side}_{what}"] for side in ("right", "left")]]
            for what in ("shoulder", "elbow", "wrist", "hip")
        )
        fingers = np.stack([joints[list(FINGERS[side])].mean(0) for side in ("right", "left")])
        return TrunkJoints(shoulders, hips, np.stack([elbows, wrists, fingers], axis=1))

    def textured(self, mesh: Mesh) -> TexturedMesh:
        """A mesh in the camera's frame, `map_mesh` or `surface`, with the photo on it."""
        return self.texture.on(mesh, self.projection, self.head)

    @property
    def standing(self) -> Standing:
        """Ground and height in the camera's frame."""
        reach = HALF_WIDTH / 2 * self.head.unit
        ends = self.head.nose[0] - reach, self.head.nose[0] + reach
        return Standing.of(self.viewing_mesh.vertices, len(self.subject.rgb), ends)

    @property
    def viewing_step(self) -> int:
        """A step for `map_mesh` that gives about 100 000 faces: 2 at 768 px, 4 at 2048 px."""
        return 2 ** max(round(np.log2(len(self.subject.rgb) / VIEWING_CANVAS)), 0)

    @computed_once
    def viewing_mesh(self) -> Mesh:
        """`map_mesh` of that step."""
        return self.map_mesh(self.viewing_step)

    def surface(self, octree_depth: int = 10, threads: int = -1) -> Mesh:
        """The closed cloud's screened Poisson surface, colored: the paper's method; half a minute at 2048 px.

        Args:
            octree_depth: its finest cells are 1 / 2^depth of the bounding cube.
            threads: for the solver; -1 takes all cores.

        Raises:
            InputError: no surface runs through the points.
        """
        # Open3D takes a second to import: maps and clouds do not need it.
        from geometry.surface import reconstruct_surface

        try:
            return reconstruct_surface(self.closed_cloud, octree_depth, threads)
        except ValueError as error:
            raise InputError(f"{self.name}: {error}") from error

    @property
    def cloud_in_photo(self) -> PointCloud:
        """`cloud` in the camera of the whole photo: several people of one photo stand beside each other."""
        return replace(self.cloud, points=self.subject.canvas.in_whole_photo(self.cloud.points))

    @computed_once
    def pictures(self) -> dict[str, np.ndarray]:
        """Every map as a picture by its place in a result folder, without suffix (METHOD.md 9.4)."""
        return result_pictures(self.name, self.result, self.depth, self.subject.rgb, self.subject.mask)

    @property
    def sheet(self) -> np.ndarray:
        """(H, W, 3) uint8 RGB contact sheet, by which to judge the result at a glance."""
        return contact_sheet(self._sheet_input, self.name)

    @property
    def _sheet_input(self) -> SheetInput:
        subject = self.subject
        return SheetInput(
            photo=subject.rgb,
            person=subject.mask,
            joints=subject.joints,
            predicted=subject.predicted,
            part_corners=part_corners(subject.poses.canvas_from_part, len(subject.rgb)),
            normals_front=self.pictures[f"normal/{self.name}_front"],
            normals_back=self.pictures[f"normal/{self.name}_back"],
            surface=self.textured(self.map_mesh(max(len(subject.rgb) // SHEET_CANVAS, 1))),
        )

    def write(self, folder: ResultFolder | Path | str, options: MeshOptions | None = None) -> list[Path]:
        """Write everything (METHOD.md 9.4) into a result folder, the contact sheet last; nothing when there is no body.

        Returns:
            The files that were written.

        Raises:
            InputError: the model found no body.
        """
        folder, shown = ResultFolder.at(folder), self._sheet_input
        with ThreadPoolExecutor(1) as beside:
            sheet = beside.submit(contact_sheet, shown, self.name)
            files = [*self.write_maps(folder), *self.write_clouds(folder), *self.write_map_mesh(folder, options)]
        write_png(folder.sheet(self.name), sheet.result())
        return [*files, folder.sheet(self.name)]

    def write_maps(self, folder: ResultFolder | Path | str) -> list[Path]:
        """Write every map: depth/, cons/, normal/, normal_parts/, images/ of a result folder."""
        folder = ResultFolder.at(folder)
        files = {folder.image(place): picture for place, picture in self.pictures.items()}
        for path, picture in files.items():
            write_png(path, picture)
        return list(files)

    def write_clouds(self, folder: ResultFolder | Path | str) -> list[Path]:
        """Write both clouds: output_plys/ and output_plys_c/ of a result folder."""
        folder = ResultFolder.at(folder)
        files = {
            folder.cloud(self.name, closed=False): self.cloud,
            folder.cloud(self.name, closed=True): self.closed_cloud,
        }
        for path, cloud in files.items():
            write_cloud(path, cloud)
        return list(files)

    def write_map_mesh(self, folder: ResultFolder | Path | str, options: MeshOptions | None = None) -> list[Path]:
        """Write the textured mesh, its texture and, if wanted, the turntable: meshes/, textures/, turntables/.

        Raises:
            InputError: the step is no divisor of the canvas.
        """
        folder, options = ResultFolder.at(folder), options or MeshOptions()
        step = options.step or self.viewing_step
        is_usual = step == self.viewing_step and not options.open_jumps
        mesh = self.textured(self.viewing_mesh if is_usual else self.map_mesh(step, options.open_jumps))
        body = Body(self.head, self.standing)
        write_texture(folder, self.name, self.texture, body)
        if options.height is not None:
            mesh = mesh.moved(body.standing.in_metres(mesh.mesh.vertices, options.height))
        files = [folder.texture(self.name), folder.body(self.name), folder.map_mesh(self.name)]
        write_mesh(files[-1], mesh)
        if options.turntable:
            files.append(folder.turntable(self.name))
            write_bytes(files[-1], turntable(mesh))
        return files

    def write_surface(self, path: Path | str, octree_depth: int = 10) -> None:
        """Write the Poisson surface; the suffix (.obj, .ply or .glb) chooses the format."""
        write_mesh(path, self.surface(octree_depth))
