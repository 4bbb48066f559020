"""Comparing settings: which variants there are, and what the table says of their runs."""

import json
from pathlib import Path

import pytest

from benchmarks.ablation import Variant, results, table, variants


def test_variants_are_read() -> None:
    lines = ["# of the model", "", "as it is:", "wide: model.units=512 'data.credit=two words'"]
    assert variants(lines) == [
        Variant("as it is", ()),
        Variant("wide", ("model.units=512", "data.credit=two words")),
    ]
    for wrong in ("no colon", ": model.units=1", "wide: a=1"):
        with pytest.raises(ValueError, match="give each variant a name of its own"):
            variants([*lines, wrong])


def test_the_table_has_means_spreads_and_gains(tmp_path: Path) -> None:
    chosen = [Variant("as it is", ()), Variant("wide", ("model.units=512",)), Variant("not yet", ())]
    for place, bleu in {"as-it-is-1": 30.0, "as-it-is-2": 31.0, "wide-1": 32.0, "wide-2": None}.items():
        (tmp_path / place).mkdir()
        if bleu is not None:  # else it has not finished
            (tmp_path / place / "MODEL_CARD.md").touch()
        training = {"minutes": 2.0, "parameters": 1000}
        content = {"valid": {"bleu": bleu}, "training": training}
        (tmp_path / place / "metrics.json").write_text(json.dumps(content))
    assert table(results(chosen, [1, 2, 3], tmp_path), ["bleu"]).splitlines() == [
        "| variant | seeds | bleu | gain | minutes | weights |",
        "| --- | --- | --- | --- | --- | --- |",
        "| as it is | 2 | 30.50 (30.00 to 31.00) | +0.00 | 2.0 | 1,000 |",
        "| wide | 1 | 32.00 | +1.50 | 2.0 | 1,000 |",
    ]
