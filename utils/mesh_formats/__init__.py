"""Mesh files of any origin, one file a format: the same content out of all of them, or one line that says why not."""
