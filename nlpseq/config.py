"""Configuration: dataclasses <-> TOML <-> ``--set section.key=value``.

A task's configuration is a dataclass of sections, each a dataclass of settings made by :func:`setting`, which keeps the
default, the reason for it and what is allowed in one place.
"""

from __future__ import annotations

import dataclasses
import difflib
import json
import math
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any, TypeVar, get_type_hints

from nlpseq.errors import UserError

Config = TypeVar("Config")


def setting(
    default: Any,
    reason: str,
    *,
    choices: tuple[str, ...] = (),
    minimum: float | None = None,
    maximum: float | None = None,
) -> Any:
    """A dataclass field with the reason for its default and the values that are allowed (bounds are inclusive)."""
    metadata = {"reason": reason, "choices": choices, "minimum": minimum, "maximum": maximum}
    return dataclasses.field(default=default, metadata=metadata)


@dataclasses.dataclass
class TrainingConfig:
    """How any task trains. A task overrides the defaults that its models want otherwise."""

    epochs: int = setting(20, "an upper bound; early stopping usually ends a run", minimum=1)
    max_minutes: float = setting(0.0, "0: no limit; else the schedule is compressed to end in this time", minimum=0)
    batch_tokens: int = setting(0, "padded tokens in a batch; 0: a 200th of the corpus, from 256 to 2048", minimum=0)
    optimizer: str = setting("adam", "the safe choice for recurrent networks", choices=("adam", "adamw", "sgd"))
    learning_rate: float = setting(1e-3, "Kingma & Ba 2015; sgd wants about 1", minimum=0)
    weight_decay: float = setting(0.0, "decoupled; used by adamw only", minimum=0)
    warmup_steps: int = setting(200, "Adam's second moments are poor at first; at most 5 % of the run", minimum=0)
    decay: str = setting("linear", "shape of the decay", choices=("linear", "cosine", "none"))
    decay_start: float = setting(0.4, "part of the run at the full rate before the decay begins", minimum=0, maximum=1)
    decay_floor: float = setting(0.02, "the rate at the end, as a part of the full rate", minimum=0, maximum=1)
    clip_norm: float = setting(1.0, "global norm; recurrent gradients explode (Pascanu 2013); 0: off", minimum=0)
    label_smoothing: float = setting(0.0, "0.1 for translation (Szegedy 2016)", minimum=0, maximum=0.9)
    ema: float = setting(
        0.999, "average of the weights, which is evaluated and saved; 0: off", minimum=0, maximum=0.99999
    )
    patience: int = setting(5, "epochs without a better metric before the run ends; 0: never", minimum=0)
    valid_examples: int = setting(2000, "evaluated after each epoch; the whole part at the end", minimum=1)
    precision: str = setting(
        "float32", "bfloat16 computes in 16 bits and keeps weights in 32", choices=("float32", "bfloat16")
    )
    replicas: int = setting(0, "parts a batch is split into, one core (or GPU) each; 0: all cores", minimum=0)
    checkpoint_minutes: float = setting(5.0, "between checkpoints inside an epoch", minimum=0)
    init_from: str = setting("", "a MODEL whose weights are taken over where they fit (transfer, fine-tuning)")
    export: bool = setting(True, "write model.tflite and saved_model/ at the end")
    seed: int = setting(1, "same seed, same machine, same weights", minimum=0)


def from_toml(config_type: type[Config], path: Path | None, overrides: Iterable[str] = ()) -> Config:
    """Reads a configuration: defaults, then the file, then ``section.key=value`` overrides.

    Raises:
        UserError: an unknown section or key, a wrong type, a value that is not allowed, a file that is not TOML.
    """
    tables: dict[str, Any] = {}
    if path is not None:
        try:
            tables = tomllib.loads(path.read_text(encoding="utf-8-sig"))
        except FileNotFoundError:
            raise UserError(f"{path}: no such configuration file") from None
        except (OSError, UnicodeDecodeError) as error:
            raise UserError(f"{path}: cannot be read as UTF-8 text: {error}") from None
        except tomllib.TOMLDecodeError as error:
            raise UserError(f"{path}: not valid TOML: {error}") from None
    config = config_type()
    for section, table in tables.items():
        if section == "task":  # a recipe names its task; the command line compares
            continue
        if not isinstance(table, dict):
            raise UserError(f"{path}: '{section}' stands outside of a section: sections are {_names(config)}")
        for key, value in table.items():
            assign(config, f"{section}.{key}", value)
    for override in overrides:
        name, equals, text = override.partition("=")
        if not equals:
            raise UserError(f"--set '{override}': write it as section.key=value, such as training.epochs=3")
        assign(config, name.strip(), _parse(text.strip()))
    return config


def assign(config: Any, name: str, value: Any) -> None:
    """Sets ``section.key`` after checking its type and range.

    Raises:
        UserError: as :func:`from_toml`.
    """
    section_name, _, key = name.partition(".")
    if section_name not in (known := _names(config)):
        raise UserError(f"config section '{section_name}' is unknown{_closest(section_name, known)}")
    section = getattr(config, section_name)
    if key not in (known := _names(section)):
        raise UserError(f"config key '{name}' is unknown{_closest(key, known)}")
    field = next(field for field in dataclasses.fields(section) if field.name == key)
    setattr(section, key, _checked(name, value, get_type_hints(type(section))[key], field.metadata))


def to_toml(config: Any, task: str) -> str:
    """The complete configuration, each key with its reason; :func:`from_toml` reads it back to an equal one."""
    lines = [f"task = {json.dumps(task)}"]
    for section in dataclasses.fields(config):
        lines.append(f"\n[{section.name}]")
        for field in dataclasses.fields(getattr(config, section.name)):
            value = getattr(getattr(config, section.name), field.name)
            lines.append(f"{field.name} = {_toml_value(value)}  # {field.metadata['reason']}")
    return "\n".join(lines) + "\n"


def named_task(path: Path) -> str | None:
    """The task that a configuration file names, if it does."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8-sig")).get("task")
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError):
        return None  # from_toml reports it


def _toml_value(value: bool | int | float | str) -> str:
    # JSON's literals are TOML's for these types, except that TOML wants DEL escaped and a digit before an exponent.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _parse(text: str) -> Any:
    """A value as the command line gives it: a TOML literal, or else a bare string."""
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def _checked(name: str, value: Any, wanted: type, allowed: Any) -> Any:
    if wanted is float and type(value) is int and abs(value) < 1 << 53:
        value = float(value)
    if type(value) is not wanted:
        kinds = {int: "a whole number", float: "a number", bool: "true or false", str: "a text"}
        raise UserError(f"config key '{name}' is {value!r}: it must be {kinds[wanted]}")
    if allowed["choices"] and value not in allowed["choices"]:
        raise UserError(f"config key '{name}' is {value!r}: choose {_either(allowed['choices'])}")
    minimum, maximum = allowed["minimum"], allowed["maximum"]
    if wanted in (int, float) and not ((minimum is None or value >= minimum) and (maximum is None or value <= maximum)):
        span = f"at least {minimum}" if maximum is None else f"from {minimum} to {maximum}"
        raise UserError(f"config key '{name}' is {value!r}: it must be {span}")
    if isinstance(value, float) and not math.isfinite(value):
        raise UserError(f"config key '{name}' is {value!r}: it must be a finite number")
    return value


def _names(dataclass: Any) -> list[str]:
    return [field.name for field in dataclasses.fields(dataclass)]


def _closest(name: str, known: list[str]) -> str:
    close = difflib.get_close_matches(name, known, n=1)
    hint = f" (did you mean '{close[0]}'?)" if close else ""
    return f"{hint}: known are {', '.join(known)}"


def _either(choices: tuple[str, ...]) -> str:
    return " or ".join([", ".join(choices[:-1]), choices[-1]]) if len(choices) > 1 else choices[0]
