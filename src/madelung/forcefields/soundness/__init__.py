"""Whether a force field is sound."""
