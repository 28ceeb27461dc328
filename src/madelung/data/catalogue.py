"""Public data sets that are known by name: where they are, how many crystals they have, units."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from madelung.data.records import DatasetInfo, Target
from madelung.data.units import known_target

__all__ = ["CATALOGUE", "NamedDataset"]


@dataclass(frozen=True)
class NamedDataset:
    """A public data set.

    Parameters
    ----------
    name
        Name that it is asked for by.
    description
        What it holds, in a line.
    crystals
        Number of its records.
    file
        Name of the file that it is published as.
    format
        Format of that file, as in :func:`madelung.read_records`.
    addresses
        Where the file is, in the order in which they are tried; none if it comes with Madelung.
    sha256
        Checksum of the file, where its publisher gives one.
    targets
        Its targets, with units.
    split
        How it is divided, in a line.
    split_files
        Addresses of official splits by the name of the split.
    folds
        Whether Matbench's five folds divide it.
    renamed
        Names of targets by the names in the file, where they differ.
    default_target
        What to learn if nothing else is asked for; None if there are several and none stands out.
    licence, source, citation
        As in :class:`~madelung.DatasetInfo`.
    """

    name: str
    description: str
    crystals: int
    file: str
    format: str
    addresses: tuple[str, ...]
    sha256: str | None
    targets: tuple[Target, ...]
    split: str
    split_files: tuple[tuple[str, str], ...] = ()
    folds: bool = False
    renamed: tuple[tuple[str, str], ...] = ()
    default_target: str | None = None
    licence: str = ""
    source: str = ""
    citation: str = ""

    @property
    def info(self) -> DatasetInfo:
        """What a store of it says about itself."""
        return DatasetInfo(self.name, self.licence, self.source, self.citation, self.targets)


_LEADERBOARD = (
    "https://raw.githubusercontent.com/usnistgov/jarvis_leaderboard/main/jarvis_leaderboard/"
    "benchmarks/AI/SinglePropertyPrediction"
)
_JARVIS_TARGETS = (
    "formation_energy_peratom",
    "optb88vdw_bandgap",
    "optb88vdw_total_energy",
    "ehull",
    "mbj_bandgap",
    "bulk_modulus_kv",
    "shear_modulus_gv",
    "exfoliation_energy",
    "magmom_oszicar",
    "slme",
    "spillage",
    "epsx",
    "mepsx",
    "avg_elec_mass",
    "avg_hole_mass",
    "n_Seebeck",
    "n_powerfact",
    "dfpt_piezo_max_dij",
    "dfpt_piezo_max_dielectric",
    "max_efg",
    "kpoint_length_unit",
    "encut",
    "ph_heat_capacity",
)
_JARVIS_RENAMED = (("n-Seebeck", "n_Seebeck"), ("n-powerfact", "n_powerfact"))
_JARVIS_LICENCE = "NIST JARVIS-DFT; free to use as stated by NIST"
_JARVIS_CITATION = "Choudhary et al., npj Comput. Mater. 6, 173 (2020)"
_MATBENCH_CITATION = "Dunn et al., npj Comput. Mater. 6, 138 (2020)"


def _named(names: Sequence[str]) -> tuple[Target, ...]:
    return tuple(known_target(name) for name in names)


def _jarvis(
    name: str, crystals: int, file: str, number: int, split: str, official: Sequence[str]
) -> NamedDataset:
    return NamedDataset(
        name=name,
        description=f"JARVIS-DFT, 3D crystals, OptB88vdW ({file})",
        crystals=crystals,
        file=f"{file}.zip",
        format="jarvis",
        addresses=(
            f"https://ndownloader.figshare.com/files/{number}",
            f"https://figshare.com/ndownloader/files/{number}",
        ),
        sha256=None,
        targets=_named(_JARVIS_TARGETS),
        split=split,
        split_files=tuple((key, f"{_LEADERBOARD}/dft_3d_{key}.json.zip") for key in official),
        renamed=_JARVIS_RENAMED,
        licence=_JARVIS_LICENCE,
        source="https://doi.org/10.6084/m9.figshare.6815699",
        citation=_JARVIS_CITATION,
    )


def _matbench(task: str, crystals: int, sha256: str, column: str, target: Target) -> NamedDataset:
    file = f"matbench_{task}.json.gz"
    return NamedDataset(
        name=f"matbench/{task}",
        description=f"Matbench v0.1, {target.description}",
        crystals=crystals,
        file=file,
        format="matbench",
        addresses=(f"https://ml.materialsproject.org/projects/{file}",),
        sha256=sha256,
        targets=(target,),
        split="Matbench's five folds, fold-0 to fold-4",
        folds=True,
        renamed=((column, target.name),),
        default_target=target.name,
        licence="MIT (Matbench)",
        source="https://matbench.materialsproject.org",
        citation=_MATBENCH_CITATION,
    )


_ALL = (
    NamedDataset(
        name="example:jarvis",
        description="600 crystals of JARVIS-DFT that come with Madelung, for trying things out",
        crystals=600,
        file="jarvis_sample.jsonl.gz",
        format="jsonl",
        addresses=(),
        sha256=None,
        targets=_named(["formation_energy_peratom", "optb88vdw_bandgap", "bulk_modulus_kv"]),
        split="the parts that the crystals have in the JARVIS leaderboard",
        default_target="formation_energy_peratom",
        licence=_JARVIS_LICENCE,
        source="https://doi.org/10.6084/m9.figshare.6815699, a sample of the release of 2021",
        citation=_JARVIS_CITATION,
    ),
    _jarvis(
        "jarvis/dft_3d_2021",
        55_723,
        "jdft_3d-8-18-2021.json",
        29204826,
        "official splits of the JARVIS leaderboard, one for each target",
        _JARVIS_TARGETS,
    ),
    _jarvis(
        "jarvis/dft_3d_2022",
        75_993,
        "jdft_3d-12-12-2022.json",
        38521619,
        "none that is official",
        (),
    ),
    NamedDataset(
        name="mp/megnet",
        description="Materials Project of 2018 as MEGNet used it, PBE (megnet.json)",
        crystals=69_239,
        file="megnet.json.zip",
        format="jarvis",
        addresses=(
            "https://ndownloader.figshare.com/files/26724977",
            "https://figshare.com/ndownloader/files/26724977",
        ),
        sha256=None,
        targets=_named(["e_form", "gap_pbe", "e_above_hull", "K_VRH", "G_VRH"]),
        split="official split of the JARVIS leaderboard (60,000, 5,000 and 4,239)",
        split_files=(("split", f"{_LEADERBOARD}/megnet_e_form.json.zip"),),
        renamed=(
            ("gap pbe", "gap_pbe"),
            ("e_hull", "e_above_hull"),
            ("bulk modulus", "K_VRH"),
            ("shear modulus", "G_VRH"),
        ),
        licence="CC BY 4.0 (Materials Project)",
        source="https://doi.org/10.6084/m9.figshare.14177630",
        citation=(
            "Chen et al., Chem. Mater. 31, 3564 (2019); Jain et al., APL Mater. 1, 011002 (2013)"
        ),
    ),
    _matbench(
        "jdft2d",
        636,
        "26057dc4524e193e32abffb296ce819b58b6e11d1278cae329a2f97817a4eddf",
        "exfoliation_en",
        known_target("exfoliation_en"),
    ),
    _matbench(
        "phonons",
        1265,
        "4db551f21ec5f577e6202725f10e34dfc509aa7df3a6bdaac497da7f6dbbb9b3",
        "last phdos peak",
        known_target("last_phdos_peak"),
    ),
    _matbench(
        "dielectric",
        4764,
        "83befa09bc2ec2f4b6143afc413157827a90e5e2e42c1eb507ccfa01bf26a1d6",
        "n",
        known_target("n"),
    ),
    _matbench(
        "log_gvrh",
        10_987,
        "098af941f4c663270f1fe21abf20ffad6fb85ecbfcba5786ceac03983ac29da7",
        "log10(G_VRH)",
        known_target("log10_G_VRH"),
    ),
    _matbench(
        "log_kvrh",
        10_987,
        "44b113ddb7e23aa18731a62c74afa7e5aa654199e0db5f951c8248a00955c9cd",
        "log10(K_VRH)",
        known_target("log10_K_VRH"),
    ),
    _matbench(
        "perovskites",
        18_928,
        "4641e2417f8ec8b50096d2230864468dfa08278dc9d257c327f65d0305278483",
        "e_form",
        Target("e_form", "eV", "heat of formation of a cell of five atoms, RPBE"),
    ),
    _matbench(
        "mp_gap",
        106_113,
        "58b65746bd88329986ed66031a2ac1369c7c522f7bc9f9081528e07097c2c057",
        "gap pbe",
        known_target("gap_pbe"),
    ),
    _matbench(
        "mp_e_form",
        132_752,
        "dedcb1d4ba2e3e50dbdd45ba5bc647a00e9c2bcf8f8bf556dc8e92caa39eb21f",
        "e_form",
        known_target("e_form"),
    ),
)

CATALOGUE: dict[str, NamedDataset] = {dataset.name: dataset for dataset in _ALL}
"""Public data sets by their names."""
