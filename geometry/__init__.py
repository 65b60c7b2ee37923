"""The shared vocabulary: camera, depth units, joints, parts, warps. Pure functions and tables; no files, no weights."""
