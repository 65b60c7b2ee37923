"""From a coloured mesh of a person to training pairs."""
