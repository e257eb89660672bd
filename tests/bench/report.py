"""``python -m tests.bench.report``: docs/performance.md from what the bench programs wrote.

Reads ``build/bench/match.json`` and ``head.json``, and the boards' instruction counts of
``tests/emulated/instructions.json``; the same files give the same page.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Sequence
from itertools import groupby
from pathlib import Path

HEAD = """# Performance

`make performance` measures this machine and writes this page; `make bench` only measures. All
contenders of a table ran in one process on the same data with the same number of threads, taking
turns in both orders. An entry is the median time of a call and, after ×, how many times as long as
ours (the first line of its precision) it took; in brackets the same in forward and in backward
rounds. Bold: the fastest peer of its precision. Peers have their inputs in their own type
beforehand, and ours has no such help. Where a peer finds fewer of the best five than an exact float
search, its recall says so. `tests/bench/` has the programs, `tests/bench/gallery.py` how the real
gallery is made.
"""

INSTRUCTIONS = """## Instructions and estimated cycles on the boards' cores

One thread, under QEMU, with the pinned ARM wheels; preprocessing and Python around the kernels
included. Instructions are counted exactly: repeated runs of an embedding differ by less than
0.002 %, of a search by 0.04 % (Python's own allocations), and CI refuses a change of 0.5 %
(`python -m tests.emulated.counts` counts again, `--accept` takes the new counts). Cycles are
estimates, never compared with a board: all data in the first level cache, every branch predicted;
A72 by llvm-mca with the A57's model, A53 and A55 by our own model, ±30 % on arithmetic. Memory
comes on top: up to about as much again for an embedding. No milliseconds follow from these numbers.
[arm.md](arm.md) says more.
"""


def rivals(row: dict, rows: Iterable[dict]) -> list[dict]:
    """Rows of other makers in the same precision."""
    return [r for r in rows if not r["ours"] and r["precision"] == row["precision"]]


def base_of(row: dict, rows: Iterable[dict]) -> dict:
    """Our first row in the same precision, to which ratios are."""
    return next(r for r in rows if r["ours"] and r["precision"] == row["precision"])


def ratio(row: dict, base: dict) -> str:
    """ "×1.20 (1.19, 1.22)": time over our time, then in forward and in backward rounds."""
    whole, forward, backward = (row[k] / base[k] for k in ("ms", "forward_ms", "backward_ms"))
    return f"×{whole:.2f} ({forward:.2f}, {backward:.2f})"


def print_row(row: dict, rows: list[dict]) -> None:
    """Print a contender's line and, for ours, how the fastest peer compares."""
    notes = [f"{row['gbs']:.1f} GB/s"] if "gbs" in row else []
    notes += [f"{row['of_bandwidth']:.0%} of memory's speed"] if row.get("of_bandwidth") else []
    notes += [f"recall {row['recall']:.3f}"] if row.get("recall", 1) < 1 else []
    notes += [f"cosine {row['cosine']:.6f}"] if "cosine" in row else []
    notes += [f"reads {row['fraction_read']:.1%}"] if row.get("fraction_read") else []
    theirs = rivals(row, rows)
    if row["ours"] and theirs:
        fastest = min(theirs, key=lambda one: one["ms"])
        notes.append(f"fastest peer {fastest['name']} {ratio(fastest, row)}")
    line = f"  {row['name']:44} {row['precision']:7} {row['ms']:10.4f} ms "
    print(f"{line} {ratio(row, base_of(row, rows)):20}  {'; '.join(notes)}", flush=True)


def write_json(file: Path, facts: dict, rows: list[dict]) -> None:
    """Write one program's results."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps({"facts": facts, "rows": rows}, indent=1) + "\n")


def table(header: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    """A Markdown table."""
    rows = [header, ["---"] * len(header), *lines]
    return "\n".join("| " + " | ".join(row) + " |" for row in rows) + "\n"


def grid(rows: list[dict], column: Sequence[str]) -> str:
    """Contenders down, cells (the values of the fields ``column``) across, fastest peer bold."""
    cells = list(dict.fromkeys(tuple(row[field] for field in column) for row in rows))
    names = list(dict.fromkeys(row["name"] for row in rows))
    columns = []
    for cell in cells:
        here = [row for row in rows if tuple(row[field] for field in column) == cell]
        columns.append({row["name"]: _entry(row, here) for row in here})
    header = ["", *(_cell_name(column, cell) for cell in cells)]
    return table(header, ([name, *(c.get(name, "") for c in columns)] for name in names))


def _entry(row: dict, rows: list[dict]) -> str:
    text = f"{row['ms']:.3f} ms {ratio(row, base_of(row, rows))}"
    theirs = rivals(row, rows)
    if theirs and row is min(theirs, key=lambda one: one["ms"]):
        text = f"**{text}**"
    if row.get("recall", 1) < 1:
        text += f", recall {row['recall']:.3f}"
    if "cosine" in row:
        text += f", cosine {row['cosine']:.6f}"
    return text + (f", reads {row['fraction_read']:.1%}" if row.get("fraction_read") else "")


def _cell_name(column: Sequence[str], cell: tuple) -> str:
    words = {"size": "N = {:,}", "batch": "batch {}", "probe": "{} probe"}
    return ", ".join(words[field].format(value) for field, value in zip(column, cell))


def sections(rows: list[dict], fields: Sequence[str], column: Sequence[str]) -> Iterable[str]:
    """One titled grid for each combination of ``fields``."""
    titles = {"gallery": "{} gallery", "batch": "batch {}", "threads": "{} thread(s)"}
    for key, group in groupby(rows, key=lambda row: tuple(row[field] for field in fields)):
        parts = (titles.get(field, "{}").format(value) for field, value in zip(fields, key))
        yield f"### {', '.join(parts)}\n\n{grid(list(group), column)}"


def match_page(content: dict) -> str:
    """The matching half of the page."""
    fields = ("gallery", "precision", "threads", "batch")
    rows = sorted(content["rows"], key=lambda row: [str(row[field]) for field in fields])
    singles = [r for r in rows if r["batch"] == 1 and r["ours"] and r["precision"] == "int8"]
    lines = []
    for row in singles:
        here = [r for r in rows if all(r[f] == row[f] for f in (*fields, "size", "probe"))]
        theirs = rivals(row, here)
        fastest = min(theirs, key=lambda one: one["ms"]) if theirs else None
        share = f" ({row['of_bandwidth']:.0%})" if row["of_bandwidth"] else ""
        lines.append(
            [
                row["name"],
                f"{row['gallery']}, {row['probe']}",
                f"{row['size']:,}",
                str(row["threads"]),
                f"{row['ms']:.3f}",
                f"{row['gbs']:.1f}{share}",
                f"{fastest['name']} {ratio(fastest, row)}" if fastest else "none installed",
            ]
        )
    header = ["ours, INT8", "gallery, probe", "N", "threads", "ms"]
    header += ["GB/s of all codes (of memory's speed, N = 1 M)", "fastest peer"]
    parts = ["## Matching, k = 5, 512 dimensions\n", table(header, lines)]
    return "\n".join([*parts, *sections(rows, fields, ("size", "probe"))])


def head_page(content: dict) -> str:
    """The attention head's half of the page."""
    parts = ["## Attention head, 49 tokens to 512 numbers\n"]
    parts += ["With two threads the peers have both; ours always runs on one.\n"]
    return "\n".join([*parts, *sections(content["rows"], ("threads",), ("batch",))])


def instructions_page(content: dict) -> str:
    """What an embedding and a search cost the boards' cores, from their emulation."""
    cores = content["cores"]
    columns = [(core, what) for core in cores for what in ("instructions", "cycles")]
    names = next(iter(cores.values()))["instructions"]
    header = ["for each", *(f"{core.replace('cortex-a', 'A')} {what}" for core, what in columns)]
    lines = (
        [name, *(f"{cores[c][what][name] / 1e6:.2f} M" for c, what in columns)] for name in names
    )
    return f"{INSTRUCTIONS}\nWheels: {', '.join(content['wheels'])}.\n\n{table(header, lines)}"


def fact_list(facts: dict) -> str:
    """Machine and versions as a list."""
    texts = {
        name: ", ".join(f"{rate:.1f} GB/s with {n} thread(s)" for n, rate in value.items())
        if isinstance(value, dict)
        else value
        for name, value in facts.items()
    }
    return "".join(f"- {name}: {text}\n" for name, text in texts.items())


def main(argv: list[str] | None = None) -> None:
    """Write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--match", type=Path, default=Path("build/bench/match.json"))
    parser.add_argument("--head", type=Path, default=Path("build/bench/head.json"))
    parser.add_argument(
        "--instructions", type=Path, default=Path("tests/emulated/instructions.json")
    )
    parser.add_argument("--out", type=Path, default=Path("docs/performance.md"))
    args = parser.parse_args(argv)
    files = (args.match, args.head, args.instructions)
    match, head, counted = (json.loads(file.read_text()) for file in files)
    facts = fact_list({**head["facts"], **match["facts"]})
    args.out.write_text(
        "\n".join([HEAD, facts, match_page(match), head_page(head), instructions_page(counted)])
    )


if __name__ == "__main__":
    main()
