"""A scan in the world of the camera."""

from __future__ import annotations

from dataclasses import replace

from datasets.rendering.scan import Scan
from geometry.scan_frame import centre_and_scale, turn
from utils.errors import InputError


def stand_in_frame(scan: Scan) -> Scan:
    """The scan as the camera sees it at yaw 0: centred on its surface, scaled to `frame_scale` of the usual size.

    Raises:
        InputError: there is no surface.
    """
    try:
        frame = centre_and_scale(scan.mesh)
    except ValueError as error:
        raise InputError(f"{error}, expected a mesh of a person") from None
    joints = None if scan.joints is None else frame.to_world(scan.joints) * scan.frame_scale
    mesh = scan.mesh.moved(frame.to_world(scan.mesh.vertices) * scan.frame_scale)
    return replace(scan, mesh=mesh, joints=joints, frame_scale=1.0)


def turned(scan: Scan, degrees: float) -> Scan:
    """The scan turned about the Y axis, joints included."""
    joints = None if scan.joints is None else turn(scan.joints, degrees)
    return replace(scan, mesh=scan.mesh.moved(turn(scan.mesh.vertices, degrees)), joints=joints)
