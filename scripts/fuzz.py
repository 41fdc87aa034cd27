"""Read N mutated files of every kind; report raw exceptions, hangs, code that ran, and files outside the sandbox.

    python scripts/fuzz.py 10000              # a few minutes
    python scripts/fuzz.py --seed 7 --case 12 # one case again, with its traceback

The exit code is 1 if a case failed. The cases run in a process of their own, whose memory is limited.
"""

from __future__ import annotations

import argparse
import collections
import dataclasses
import faulthandler
import json
import os
import resource
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
MEMORY = 4 << 30
"""Bytes that the cases may take beyond what the process has at the start."""


def main(words: Sequence[str] | None = None) -> int:
    """Run the cases; return 1 if one of them failed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("cases", nargs="?", type=int, default=300, help="how many; default 300")
    parser.add_argument("--seed", type=int, default=0, help="the seed; default 0")
    parser.add_argument("--case", type=int, help="run only the case of this number")
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    asked = parser.parse_args(words)
    first, last = (0, asked.cases) if asked.case is None else (asked.case, asked.case + 1)
    if asked.worker is not None:
        return work(Path(asked.worker), asked.seed, range(int(os.environ["FUZZ_FIRST"]), last))
    verdicts = list(judged(asked.seed, range(first, last)))
    return report(verdicts, asked.seed)


def judged(seed: int, cases: range) -> Iterator[dict[str, object]]:
    """Yield the verdict of each case; a process that died is replaced by another."""
    first = cases.start
    while first < cases.stop:
        with tempfile.TemporaryDirectory(prefix="fuzz-") as root:
            command = [sys.executable, __file__, str(cases.stop), "--seed", str(seed), "--worker", root]
            process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment(root, first))  # noqa: S603
            begun = None
            for line in process.stdout or ():
                verdict = json.loads(line)
                begun = verdict if verdict["result"] == "begun" else None
                first = int(verdict["case"]) + 1
                if begun is None:
                    yield verdict
            code = process.wait()
            if begun is not None:
                yield {**begun, "result": "died", "detail": f"the process ended with {code}"}
            elif code:
                raise SystemExit(f"the process that runs the cases ended with {code}")


def environment(root: str, first: int) -> dict[str, str]:
    """Return the variables of the process that runs the cases: nothing of the user's, one thread."""
    own = {"HOME": root, "FUZZ_FIRST": str(first), "OPENBLAS_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    paths = {"PYTHONPATH": os.pathsep.join(map(str, (ROOT, ROOT / "tests" / "support")))}
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "TMPDIR") if name in os.environ}
    return {**kept, **own, **paths}


def work(root: Path, seed: int, cases: range) -> int:
    """Run cases in this process; write a line before and after each."""
    os.chdir(root)
    import fuzzing

    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    fuzzer = fuzzing.Fuzzer(root, seed)
    taken = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (taken + MEMORY, resource.RLIM_INFINITY))
    for case in cases:
        name = fuzzing.KINDS[case % len(fuzzing.KINDS)].name
        out.write(json.dumps({"case": case, "kind": name, "result": "begun"}) + "\n")
        out.flush()
        faulthandler.dump_traceback_later(2 * fuzzing.LIMIT, exit=True)  # for code that no signal interrupts
        verdict = fuzzer.run(case)
        faulthandler.cancel_dump_traceback_later()
        out.write(json.dumps(dataclasses.asdict(verdict)) + "\n")
        out.flush()
    return 0


def report(verdicts: Sequence[dict[str, object]], seed: int) -> int:
    """Print the faults and a summary per kind; return 1 if there is a fault."""
    faults = [verdict for verdict in verdicts if verdict["result"] not in ("refused", "accepted")]
    seen: set[str] = set()
    for fault in faults:
        last = str(fault["detail"]).strip().splitlines()[-1:]
        sign = f"{fault['kind']}: {fault['result']}: {''.join(last)[:300]}"
        if len(faults) == 1 or sign not in seen:
            print(f"case {fault['case']} {sign}")  # noqa: T201
        seen.add(sign)
        if len(verdicts) == 1:
            print(fault["detail"])  # noqa: T201
    columns = ("cases", "refused", "accepted", "raw", "lines", "hang", "outside", "code", "died")
    print("".join(f"{name:>11}" for name in ("", *columns)))  # noqa: T201
    for kind in [*dict.fromkeys(str(verdict["kind"]) for verdict in verdicts), "all"]:
        own = [verdict for verdict in verdicts if kind in ("all", verdict["kind"])]
        counts = collections.Counter(str(verdict["result"]) for verdict in own)
        print("".join(f"{value!s:>11}" for value in (kind, len(own), *(counts[name] for name in columns[1:]))))  # noqa: T201
    if faults:
        print(f"again, alone: python scripts/fuzz.py --seed {seed} --case {faults[0]['case']}")  # noqa: T201
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
