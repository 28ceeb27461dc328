"""Reference energies and forces: data, comparison, figures."""
