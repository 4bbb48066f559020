"""Training and looking at data from a program or a notebook, as the command line does it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from nlpseq import config as configuration
from nlpseq import model_folder
from nlpseq.data.rows import kept_rows
from nlpseq.data.summary import Summary
from nlpseq.pipeline.loading import load
from nlpseq.pipeline.preview import preview as read
from nlpseq.runtime.predictor import Predictor
from nlpseq.tasks import task_class


def preview(task: str, data: Any, columns: str, settings: dict[str, Any]) -> Summary:
    """As :func:`nlpseq.preview`."""
    return read(task, _config(task, {"train": data}, columns, settings))


def train(
    task: str,
    data: dict[str, Any],
    output: str,
    columns: str,
    settings: dict[str, Any],
    *,
    resume: bool,
    overwrite: bool,
) -> Predictor:
    """As :func:`nlpseq.train`; ``data`` is by part."""
    config = _config(task, data, columns, settings)
    from nlpseq.pipeline.train import Request, default_folder
    from nlpseq.pipeline.train import train as run
    from nlpseq.training.display import display
    from nlpseq.training.trainer import Interrupted

    named = config.data.train if isinstance(data["train"], str | Path) else "rows"
    folder = Path(output) if output else default_folder(task, named)
    try:
        run(Request(task, None if resume else config, folder, resume, overwrite), display())
    except Interrupted:
        message = f"interrupted; nlpseq.train({task!r}, output={str(folder)!r}, resume=True) goes on"
        raise KeyboardInterrupt(message) from None
    return load(model_folder.find(str(folder)))


def _config(task: str, data: dict[str, Any], columns: str, settings: dict[str, Any]) -> Any:
    facts = task_class(task).facts
    config = facts.config_type()
    specs = {part: str(each) if isinstance(each, str | Path) else each for part, each in data.items()}
    for part, spec in specs.items():
        if not isinstance(spec, str):
            spec = str(kept_rows(spec, facts.columns))
        if spec:
            config = configuration.assign(config, f"data.{part}", spec)
    for name, value in {**({"data.columns": columns} if columns else {}), **settings}.items():
        config = configuration.assign(config, name, value)
    return config
