"""Force fields: energy, forces and stress of crystals, slabs and molecules."""
