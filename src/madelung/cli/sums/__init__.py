"""``madelung sums``: complete sums of crystals in files."""
