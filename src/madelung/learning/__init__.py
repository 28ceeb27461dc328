"""What every training loop shares: checkpoints, optimiser, objective, processes."""
