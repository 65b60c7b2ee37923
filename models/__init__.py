"""The networks of the paper (METHOD.md 5)."""
