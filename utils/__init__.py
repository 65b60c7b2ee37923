"""Files, errors, batches of work, configs and checkpoints."""
