"""Photos, scans and synthetic people on their way to the networks."""
