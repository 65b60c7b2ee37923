"""What training minimises, term by term (SPEC 7)."""
