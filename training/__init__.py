"""The training loop and what it needs: settings, steps, guards, state, reports."""
