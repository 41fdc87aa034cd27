"""Time the framework and its peers in turns in one process: python scripts/bench [PART …] [--json FILE].

Parts: step, training, population, memory, checkpoint, sweep, study, composition, startup. Peers (torch, JAX with optax,
scikit-learn) are timed if they are installed. Compare the ratios, not the times, and run nothing else on the machine
meanwhile.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

import checkpoint
import memory
import networks
import step
import whole
from measure import Row, machine


def main() -> None:
    """Run the requested parts and print each row as soon as it is measured."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", help="default: all")
    parser.add_argument("--json", type=Path, help="write the rows to a file too")
    parser.add_argument(
        "--full", action="store_true", help="train all 480 runs of the sweep with the peer; takes minutes"
    )
    asked = parser.parse_args()
    parts: dict[str, Callable[[], Iterable[Row | memory.MemoryRow]]] = {
        "step": step.rows,
        "training": networks.training,
        "population": networks.population,
        "memory": memory.rows,
        "checkpoint": checkpoint.rows,
        "sweep": lambda: whole.sweep(full=asked.full),
        "study": whole.study,
        "composition": whole.composition,
        "startup": whole.startup,
    }
    unknown = [part for part in asked.parts if part not in parts]
    if unknown:
        parser.error(f"unknown part: {', '.join(unknown)}; the parts are {', '.join(parts)}")
    facts = machine()
    sys.stdout.write("".join(f"{name}: {value}\n" for name, value in facts.items()) + "\n")
    rows: list[Row | memory.MemoryRow] = []
    for part in asked.parts or parts:
        for row in parts[part]():
            rows.append(row)
            sys.stdout.write("\n".join(row.lines()) + "\n")
            sys.stdout.flush()
    if asked.json:
        asked.json.write_text(json.dumps({"machine": facts, "rows": [row.plain() for row in rows]}, indent=1) + "\n")


if __name__ == "__main__":
    main()
