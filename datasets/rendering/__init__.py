"""From a colored mesh of a person to training pairs."""
