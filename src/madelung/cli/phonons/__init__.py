"""``madelung phonons``: phonons of crystals from the network or from any force field."""
