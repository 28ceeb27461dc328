"""Units of targets that are known by their names in public data sets."""

from __future__ import annotations

from madelung.data.records import Target

__all__ = ["known_target"]

_KNOWN = (
    # JARVIS-DFT
    ("formation_energy_peratom", "eV/atom", "formation energy, OptB88vdW"),
    ("optb88vdw_total_energy", "eV/atom", "total energy, OptB88vdW"),
    ("optb88vdw_bandgap", "eV", "band gap, OptB88vdW"),
    ("mbj_bandgap", "eV", "band gap, TB-mBJ"),
    ("hse_gap", "eV", "band gap, HSE06"),
    ("ehull", "eV/atom", "column ehull of JARVIS-DFT 2021, not a distance from the hull"),
    ("bulk_modulus_kv", "GPa", "bulk modulus, Voigt average"),
    ("shear_modulus_gv", "GPa", "shear modulus, Voigt average"),
    ("exfoliation_energy", "meV/atom", "exfoliation energy"),
    ("magmom_oszicar", "Bohr magneton", "magnetic moment of the cell"),
    ("slme", "%", "spectroscopic limited maximum efficiency"),
    ("spillage", "", "spin-orbit spillage"),
    ("epsx", "", "static dielectric function along x, OptB88vdW"),
    ("mepsx", "", "static dielectric function along x, TB-mBJ"),
    ("avg_elec_mass", "electron mass", "average effective mass of electrons"),
    ("avg_hole_mass", "electron mass", "average effective mass of holes"),
    ("n_Seebeck", "µV/K", "Seebeck coefficient, n-type"),
    ("n_powerfact", "µW/(m K²)", "thermoelectric power factor, n-type"),
    ("dfpt_piezo_max_dij", "C/N", "largest piezoelectric strain coefficient"),
    ("dfpt_piezo_max_dielectric", "", "largest dielectric constant, DFPT"),
    ("max_efg", "10²¹ V/m²", "largest electric field gradient"),
    ("kpoint_length_unit", "Å", "length that sets the density of k-points"),
    ("encut", "eV", "plane-wave cutoff"),
    ("ph_heat_capacity", "J/(mol K)", "heat capacity of phonons"),
    ("Tc_supercon", "K", "superconducting transition temperature"),
    # Materials Project
    ("e_form", "eV/atom", "formation energy, PBE"),
    ("gap_pbe", "eV", "band gap, PBE"),
    ("e_above_hull", "eV/atom", "energy above the convex hull, PBE"),
    ("K_VRH", "GPa", "bulk modulus, Voigt-Reuss-Hill average"),
    ("G_VRH", "GPa", "shear modulus, Voigt-Reuss-Hill average"),
    # benchmarks/data/phonon_crystals.py
    ("max_frequency", "1/cm", "highest phonon frequency"),
    ("mean_frequency", "1/cm", "mean phonon frequency"),
    ("zero_point_energy", "", "zero-point energy per atom"),
    ("heat_capacity_300", "", "heat capacity per atom at 300 K"),
    # Matbench
    ("exfoliation_en", "meV/atom", "exfoliation energy"),
    ("last_phdos_peak", "1/cm", "highest peak of the phonon density of states"),
    ("eps_electronic", "", "electronic part of the dielectric constant"),
    ("eps_total", "", "dielectric constant"),
    ("n", "", "refractive index"),
    ("log10_K_VRH", "log10(GPa)", "logarithm of the bulk modulus"),
    ("log10_G_VRH", "log10(GPa)", "logarithm of the shear modulus"),
)
_TARGETS = {name: Target(name, unit, description) for name, unit, description in _KNOWN}


def known_target(name: str) -> Target:
    """Return the unit and description of a target, both empty if its name is not known.

    Notes
    -----
    Data sets that use a name in another sense say so in their
    :class:`~madelung.DatasetInfo`, which comes first.
    """
    return _TARGETS.get(name, Target(name))
