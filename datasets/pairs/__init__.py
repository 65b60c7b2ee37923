"""Training pairs: their files and lists, augmentation, backgrounds, and samples for the networks."""
