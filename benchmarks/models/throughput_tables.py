"""The page of the throughput benchmark."""

from __future__ import annotations

from typing import Any

from benchmarks.support.tables import number_text, table_text

__all__ = ["markdown"]

Row = dict[str, Any]


def markdown(record: Row) -> str:
    """Return the page of all parts that were run."""
    results = record["results"]
    writers = {"throughput": _throughput, "latency": _latency, "agreement": _agreement}
    blocks = [_head(record)]
    blocks += [writers[part](results[part]) for part in writers if part in results]
    return "\n\n".join(blocks) + "\n"


def _head(record: Row) -> str:
    sample, machine = record["results"]["sample"], record["machine"]
    threads = record["threads"]
    clock = "CPU time of one thread" if threads == 1 else f"wall time on {threads} threads"
    quick = " This was a quick trial run, not a measurement." if record["quick"] else ""
    return (
        f"{sample['crystals']} crystals ({sample['origin']}; {sample['mean_atoms']:.1f} atoms and "
        f"{sample['mean_pairs']:.0f} ordered pairs on average) in batches of "
        f"{sample['batch_size']}; {clock}, median of {record['turns']} turns in which the "
        f"networks alternate; {machine['processor']}, {machine.get('instruction_set', 'no core')}; "
        f"{record['date'][:10]}. Command: `{record['command']}`.{quick}{_remark(record)}"
    )


def _remark(record: Row) -> str:
    """What was added to a record about the circumstances of its measurement."""
    return f" {record['remark']}" if "remark" in record else ""


def _throughput(part: Row) -> str:
    title = (
        "**Learning and predicting**, in crystals per second. A step of training is forward, mean "
        "absolute error, backward and AdamW. The times are those of the network on graphs that are "
        "ready, and with making the graphs anew, one after the other. The last columns say how "
        "many times as long the network takes as the PotNet of the most similar size. Atoms "
        "that symmetry makes equal are computed once, but where it says every atom."
    )
    columns = (
        "network", "weights", "edges a crystal", "graph, ms a crystal", "training",
        "with graphs", "prediction", "with graphs", "times PotNet's: training", "prediction",
    )  # fmt: skip
    rows = [_network_row(name, row) for name, row in part["networks"].items()]
    return f"{title}\n\n{table_text(columns, rows)}\n\n{_throughput_text(part)}"


def _network_row(name: str, row: Row) -> tuple[str, ...]:
    ending = " a crystal"
    edges = [f"{row[key]:.0f} {key.removesuffix(ending)}" for key in row if key.endswith(ending)]
    return (
        name,
        f"{row['parameters']:,}",
        ", ".join(edges),
        number_text(row["graph_milliseconds"]),
        *_speeds(row, "train"),
        *_speeds(row, "predict"),
        _ratios(row, "train"),
        _ratios(row, "predict"),
    )


def _speeds(row: Row, task: str) -> tuple[str, str]:
    name = f"{task}_crystals_per_second"
    if name not in row:
        return "", ""
    return number_text(row[name]), number_text(row[f"{name}_with_graphs"])


def _ratios(row: Row, task: str) -> str:
    if f"{task}_ratio" not in row:
        return ""
    both = number_text(row[f"{task}_ratio_with_graphs"])
    return f"{number_text(row[f'{task}_ratio'])} (with graphs {both}; {row['reference']})"


def _throughput_text(part: Row) -> str:
    shares = ", ".join(
        f"{100 * row['graph_share']:.1f} % ({name})"
        for name, row in part["networks"].items()
        if name == row["reference"]
    )
    peers = "; ".join(f"{name}: {_peer_text(peer)}" for name, peer in part["peers"].items())
    return (
        f"Making graphs takes this part of the time of a training step: {shares}. Training makes "
        f"them ahead on a thread of their own. Other codes: {peers}."
    )


def _peer_text(peer: Row) -> str:
    if "versions" not in peer:
        return str(peer["status"])
    versions = ", ".join(f"{name} {version}" for name, version in peer["versions"].items())
    return f"{versions} ({peer['setting']})"


def _latency(part: Row) -> str:
    title = (
        "**One crystal at a time**, all included, after loading the model: milliseconds of wall "
        f"time within which half of {part['crystals']} crystals, and 95 % of them, are predicted; "
        f"each crystal's time is the median of its turns."
    )
    columns = ("network", "crystal: half", "95 %", "CIF: half", "95 %")
    rows = [
        (
            name,
            *(
                f"{row[f'{source}_p{percentile}_milliseconds']:.1f}"
                for source in ("crystal", "cif")
                for percentile in (50, 95)
            ),
        )
        for name, row in part["sizes"].items()
    ]
    return f"{title}\n\n{table_text(columns, rows)}"


def _agreement(part: Row) -> str:
    found = "; ".join(
        f"{name} {row['outputs']:.0e} in outputs and {row['gradients']:.0e} in gradients"
        for name, row in part.items()
    )
    return (
        "**The plain networks of edges are the same function.** Largest difference in single "
        f"precision, relative to the largest entry of each tensor: {found}."
    )
