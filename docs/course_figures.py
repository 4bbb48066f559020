"""Prints the measured table of the course: `nlpseq compare --json > comparison.json`, then this with that name."""

import json
import sys
from pathlib import Path

CELLS = ("rnn", "lstm", "gru")


def rows(found):
    """Yields the table's rows, each a name and a text for each cell."""
    for problem, by_cell in found["memory"].items():
        lag = "100" if "100" in by_cell["lstm"] else list(by_cell["lstm"])[-1]
        yield f"{problem} at a lag of {lag}, solved", [f"{100 * by_cell[cell][lag]:.1f} %" for cell in CELLS]
        steps = found["steps_until_solved"][problem]
        yield (
            f"steps until {problem} is solved",
            [", ".join("–" if at is None else f"{at:,}" for at in steps[cell][lag]) for cell in CELLS],
        )
    if text := found["text"]:
        yield "weights", [f"{text[cell]['weights']:,}" for cell in CELLS]
        yield "units", [f"{text[cell]['units']:,}" for cell in CELLS]
        yield "nats per character, equal steps", [f"{text[cell]['nats']:.3f}" for cell in CELLS]
        yield "nats per character, equal time", [f"{text[cell]['nats_in_equal_time']:.3f}" for cell in CELLS]
        yield "characters per second and core", [f"{text[cell]['tokens_per_second']:,.0f}" for cell in CELLS]
        for when in ("start", "end"):
            norms = [text[cell]["gradient_norms_in_training"][when] for cell in CELLS]
            yield f"gradient left 32 steps back, {when}", [f"{each['32'] / each['0']:.0e}" for each in norms]


def main():
    found = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    print("| | RNN | LSTM | GRU |\n|---|---|---|---|")
    for name, values in rows(found):
        print(f"| {name} | {' | '.join(values)} |")


if __name__ == "__main__":
    main()
