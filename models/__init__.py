"""The networks of the paper (SPEC 5)."""
