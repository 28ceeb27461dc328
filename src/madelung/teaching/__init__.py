"""What empirical potentials teach a network."""
