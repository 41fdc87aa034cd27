"""What stands for a run: a finished journal of its identity on the same samples that nobody forced."""

from __future__ import annotations

import json

from sweeping import SMALL, yaml_of

from framework.config.check import remade
from framework.runs.reuse import finished_in, finished_runs
from framework.runs.samples import sample_hashes


def test_only_the_same_run_on_the_same_samples_stands_for_a_run(command, tmp_path):
    assert command(*SMALL, "hydra.run.dir=run")[0] == 0
    folder, path = tmp_path / "run", tmp_path / "run" / "journal.jsonl"
    config = remade(yaml_of(folder / "config.yaml"))
    samples = sample_hashes()(config)
    found = finished_runs([config], {config.identity: [tmp_path / "gone", folder]})
    assert [run.folder for run in found.values()] == [folder]
    assert finished_runs([config], {}) == {}
    assert finished_in(folder, config.with_seed(1), samples) is None
    assert finished_in(folder, config, "others") is None
    whole = path.read_text()
    forced = {"kind": "tags", "time": 0, "values": {"resumed_with_force": "the rule"}}
    first, rest = whole.split("\n", 1)
    for changed in (f"{first}\n{json.dumps(forced)}\n{rest}", whole.replace("FINISHED", "FAILED"), "{\n" + whole):
        path.write_text(changed)
        assert finished_in(folder, config, samples) is None
    path.write_text(whole)
    assert finished_in(folder, config, samples) is not None
