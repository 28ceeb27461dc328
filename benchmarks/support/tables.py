"""Tables of the results: one number a line for programs, and a page for readers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

__all__ = ["FIELDS", "long_rows", "markdown", "number_text", "table_text"]

Row = dict[str, Any]
FIELDS = ("part", "case", "quantity", "value")
# What tells the rows of a table apart.
KEYS = ("peer", "setting", "potential", "tolerance", "atoms")


def long_rows(results: dict[str, Any]) -> list[Row]:
    """Return all numbers and words of the results, one a row."""
    return [
        {"part": part, "case": case, "quantity": quantity, "value": value}
        for part, content in results.items()
        for case, quantity, value in _entries(content, "")
    ]


def _entries(content: Row, case: str) -> Iterator[tuple[str, str, Any]]:
    for name, value in content.items():
        inner = f"{case} {name}".strip()
        if isinstance(value, dict):
            yield from _entries(value, inner)
        elif isinstance(value, list) and value and isinstance(value[0], dict):
            for row in value:
                # In a comparison the tolerance is a result, in the other tables what was asked.
                keys = [
                    key for key in KEYS if key in row and not ("peer" in row and key == "tolerance")
                ]
                label = ", ".join(str(row[key]) for key in keys)
                rest = {key: entry for key, entry in row.items() if key not in keys}
                yield from _entries(rest, f"{inner}: {label}")
        else:
            yield case, name, value


def markdown(record: Row) -> str:
    """Return the page of all parts that were run."""
    results = record["results"]
    writers = {"peers": _peers, "job": _job, "scaling": _scaling, "startup": _startup}
    blocks = [_head(record)]
    blocks += [writers[part](results[part]) for part in writers if part in results]
    return "\n\n".join(blocks) + "\n"


def _head(record: Row) -> str:
    machine = record["machine"]
    quick = " This was a quick trial run, not a measurement." if record["quick"] else ""
    return (
        f"CPU time of one thread, median of {record['turns']} turns in which the contestants "
        f"alternate; {machine['processor']}, {machine.get('instruction_set', 'no core')}; "
        f"{record['date'][:10]}. Command: `python -m benchmarks.sums.lattice_sums`.{quick}"
    )


def _peers(part: Row) -> str:
    title = (
        f"**Other codes, on the same {part['crystals']} crystals** ({part['origin']}; "
        f"{sum(part['atoms']) / part['crystals']:.1f} atoms on average), every ordered pair. Ours "
        "runs at the coarsest tolerance whose true error is within the peer's, in the median and "
        "at worst; preparing and tuning the peers is not counted."
    )
    columns = (
        "code", "asked for", "potential", "µs a crystal", "error: median, worst",
        "ours, µs", "error: median, worst", "times faster", "one call a crystal",
    )  # fmt: skip
    rows = [_peer_row(row) for row in part["peers"]]
    executors: list[tuple[str, ...]] = [
        (
            "our PyTorch executor",
            f"{row['tolerance']:.0e}",
            "three",
            number_text(row["torch_microseconds"]),
            f"worst {row['torch_error_worst']:.0e}",
            number_text(row["microseconds"]),
            f"worst {row['error_worst']:.0e}",
            number_text(row["ratio"]),
            "",
        )
        for row in part["executors"]
    ]
    return f"{title}\n\n{table_text(columns, rows + executors)}"


def _peer_row(row: Row) -> tuple[str, ...]:
    start = (row["peer"], row["setting"], row["potential"])
    if "ratio" not in row:
        return (*start, row["status"], "", "", "", "", "")
    return (
        *start,
        number_text(row["peer_microseconds"]),
        _errors(row["peer_error_median"], row["peer_error_worst"]),
        number_text(row["microseconds"]),
        _errors(row["error_median"], row["error_worst"]),
        number_text(row["ratio"]),
        number_text(row["ratio_singly"]),
    )


def _job(part: Row) -> str:
    title = (
        f"**A job of the size of JARVIS-DFT**: {part['crystals']:,} crystals ({part['origin']}), "
        f"{part['mean_atoms']:.1f} atoms on average, {part['pairs'] / 1e6:.2f} million ordered "
        "pairs; Coulomb, London and Pauli(3.0), in batches of 256."
    )
    columns = (
        "tolerance", "complete_sums, s", "core alone, s", "gradient, in forwards",
        "core by instruction set, s", "wall time on 2 threads, s",
    )  # fmt: skip
    rows = []
    for row in part["times"]:
        prefix = "core_seconds_"
        sets = {name: value for name, value in row.items() if name.startswith(prefix)}
        rows.append(
            (
                f"{row['tolerance']:.0e}",
                f"{row['public_seconds']:.2f}",
                f"{row['core_seconds']:.2f}",
                f"{row['gradient_in_forwards']:.2f}",
                ", ".join(f"{name[len(prefix) :]} {value:.2f}" for name, value in sets.items()),
                f"{row['wall_seconds_2_threads']:.2f} (on 1: {row['wall_seconds_1_thread']:.2f})",
            )
        )
    return f"{title}\n\n{table_text(columns, rows)}\n\n{_job_text(part)}"


def _job_text(part: Row) -> str:
    certificates, memory = part["certificates"], part["memory"]
    return (
        f"At 1e-10 the certificate is {certificates['median']:.1f} times the true error in the "
        f"median (Coulomb {certificates['median_Coulomb']:.1f}, London "
        f"{certificates['median_London']:.1f}, Pauli {certificates['median_Pauli']:.1f}); of "
        f"{certificates['certificates']:,} certificates {certificates['violated']} were below the "
        f"true error and {certificates['not_reached']} above the tolerance. Memory grew by "
        f"{memory['grown_by_megabytes']:.0f} MB from the first batch to the last."
    )


def _scaling(part: Row) -> str:
    columns = ("atoms", "ms", "ns per ordered pair", "our PyTorch executor, ms", "times faster")
    rows = [
        (
            str(row["atoms"]),
            number_text(row["milliseconds"]),
            number_text(row["nanoseconds_per_pair"]),
            number_text(row["torch_milliseconds"]) if "ratio" in row else "",
            number_text(row["ratio"]) if "ratio" in row else "",
        )
        for row in part["cells"]
    ]
    title = "**Large cells** (displaced supercells of rutile; the three potentials at 1e-6)."
    return f"{title}\n\n{table_text(columns, rows)}"


def _startup(part: Row) -> str:
    return (
        "**From a file to a table**: `madelung sums TiO2.cif` takes "
        f"{part['median_seconds']:.2f} s of wall time (median of {part['runs']} runs; "
        f"{part['mean_cpu_seconds']:.2f} s of CPU time)."
    )


def table_text(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Lay out a table in Markdown."""
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def number_text(value: float) -> str:
    """Return three significant digits, without an exponent."""
    if value >= 100:
        return f"{float(f'{value:.3g}'):,.0f}"
    return f"{value:.3g}"


def _errors(median: float, worst: float) -> str:
    return f"{median:.0e}, {worst:.0e}"
