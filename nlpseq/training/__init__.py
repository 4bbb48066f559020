"""Training: the loop, its schedule, its checkpoints and what it shows."""
