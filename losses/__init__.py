"""What training minimises, term by term (METHOD.md 7)."""
