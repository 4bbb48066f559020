"""The programs of the course run, and print what the course says."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

from tests.report.made_comparison import comparison

DOCS = Path(__file__).parent.parent / "docs"


def run(name: str, *arguments: str | Path) -> str:
    command = [sys.executable, str(DOCS / name), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout


def test_backpropagation_by_hand_agrees_with_finite_differences_and_with_the_course() -> None:
    printed = run("bptt_by_hand.py")
    differences = re.findall(r"^  (?:RNN|LSTM) +[xWRb]: (\S+)$", printed, re.MULTILINE)
    assert len(differences) == 8
    assert all(float(difference) < 1e-7 for difference in differences)
    course = (DOCS / "recurrent-networks.md").read_text(encoding="utf-8")
    table = printed[printed.index("norm of the gradient") :].splitlines()
    assert len(table) == 8
    assert all(line in course for line in table)


def test_the_measured_table_is_made_from_a_comparison(tmp_path: Path) -> None:
    file = tmp_path / "comparison.json"
    file.write_text(json.dumps(comparison().as_json()), encoding="utf-8")
    table = run("course_figures.py", file)
    assert "| copying at a lag of 100, solved | 1.0 % | 100.0 % | 99.0 % |" in table
    assert "| steps until copying is solved | –, – | 4, 4 | 4, 4 |" in table
    assert "| nats per character, equal steps | 1.905 | 1.710 | 1.760 |" in table


def test_every_command_of_the_course_exists() -> None:
    from click.testing import CliRunner

    from nlpseq.cli import main

    course = (DOCS / "recurrent-networks.md").read_text(encoding="utf-8")
    commands = set(re.findall(r"nlpseq ([a-z-]+)(?: |$)", course)) - {"layers"}
    assert {"compare", "inspect", "train-task", "generate"} <= commands
    for command in commands:
        options = set(re.findall(rf"nlpseq {command} [^`\n]*?(--[a-z-]+)", course))
        told = CliRunner().invoke(main, [command, "--help"])
        assert told.exit_code == 0, command
        assert all(option in told.output for option in options), (command, options)
