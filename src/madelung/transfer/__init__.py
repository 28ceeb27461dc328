"""Knowledge of empirical potentials, their teachers, for neural force fields."""
