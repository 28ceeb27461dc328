"""``madelung fit``: force fields from reference energies and forces."""
