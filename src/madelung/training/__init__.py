"""Property models: settings, loop, ensembles, evaluation."""
