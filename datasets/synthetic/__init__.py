"""Clothed people of our own: one seed, one person."""
