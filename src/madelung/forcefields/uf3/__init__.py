"""UF3: ultra-fast force fields of splines of two and three distances."""
