"""Configuration: dataclasses <-> TOML <-> ``--set section.key=value``.

A task's configuration is a dataclass of sections. A section is a dataclass of settings made by :func:`setting`, which
keeps the default, the reason for it and what is allowed in one place. Configurations are frozen: a changed one is a new
one.
"""

from __future__ import annotations

import dataclasses
import difflib
import json
import math
import tomllib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple, TypeVar, get_type_hints

from nlpseq.errors import UserError

Config = TypeVar("Config")

# A complete configuration has 5 kB. A long dotted key takes the parser minutes, and a key stands on one line.
_MOST_BYTES, _MOST_BYTES_OF_A_LINE = 1 << 16, 1 << 12
_MOST_SHOWN = 80  # characters of a wrong value
_LARGEST_INTEGER = (1 << 63) - 1  # of TOML


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


@dataclasses.dataclass(frozen=True)
class Section:
    """A section of a configuration. A subclass adds settings, and overrides a default by declaring a setting again.

    A subclass may check in ``__post_init__`` that its values fit together, and raise a `UserError` that names the keys.
    """


@dataclasses.dataclass(frozen=True)
class DataConfig(Section):
    """Which data a task reads."""

    train: str = setting("sample", "a SPEC: sample, tfds:NAME or a file")
    valid: str = setting("", "a SPEC; empty: a part is split off by a hash of the text")
    test: str = setting("", "a SPEC, evaluated once at the end")
    columns: str = setting("", "names of the columns where the file does not say")
    licence: str = setting("", "terms of the data, for the model card and the exported file")
    credit: str = setting("", "whose data it is, for the model card and the exported file")
    valid_fraction: float = setting(0.1, "part of the examples that is split off", minimum=0.0001, maximum=0.5)


@dataclasses.dataclass(frozen=True)
class DecodingConfig(Section):
    """How a model's answers are found. A task that decodes adds its settings."""


@dataclasses.dataclass(frozen=True)
class TrainingConfig(Section):
    """How any task trains. A task overrides the defaults that its models want otherwise."""

    epochs: int = setting(0, "an upper bound; 0: many for a small corpus, some 4,000 steps; few for a large", minimum=0)
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
    patience: int = setting(
        -1,
        "epochs without a better metric before the run ends; -1: a quarter of them, 5 at least; 0: never",
        minimum=-1,
    )
    valid_examples: int = setting(2000, "evaluated after each epoch; the whole part at the end", minimum=1)
    precision: str = setting(
        "float32",
        "bfloat16 computes in 16 bits and keeps weights in 32; auto: where layers are wide and the processor has it",
        choices=("auto", "float32", "bfloat16"),
    )
    replicas: int = setting(0, "parts a batch is split into, one core (or GPU) each; 0: all cores", minimum=0)
    checkpoint_minutes: float = setting(5.0, "between checkpoints inside an epoch", minimum=0)
    init_from: str = setting("", "a MODEL whose weights are taken over where they fit (transfer, fine-tuning)")
    export: bool = setting(True, "write model.tflite and saved_model/ at the end")
    seed: int = setting(1, "same seed, same machine, same weights", minimum=0)


@dataclasses.dataclass(frozen=True)
class TaskConfig:
    """The sections of a task's configuration. A task declares those again that it has a type of its own for."""

    data: DataConfig = DataConfig()
    tokenizer: Section = Section()
    augmentation: Section = Section()
    model: Section = Section()
    training: TrainingConfig = TrainingConfig()
    decoding: DecodingConfig = DecodingConfig()


class _Value(NamedTuple):
    """What somebody wants a setting to be."""

    section: str
    key: str
    value: Any

    @property
    def name(self) -> str:
        return f"{self.section}.{self.key}" if self.key else self.section


def from_toml(config_type: type[Config], path: Path | None, overrides: Iterable[str] = ()) -> Config:
    """Reads a configuration: defaults, then the file, then ``section.key=value`` overrides.

    Raises:
        UserError: an unknown section or key, a wrong type, a value that is not allowed, values that do not fit
            together, a file that is not TOML.
    """
    values = [] if path is None else list(_values_of(path, config_type))
    return _with(config_type(), [*values, *map(_override, overrides)])


def overridden(config: Config, overrides: Iterable[str]) -> Config:
    """A configuration with other values, each as ``section.key=value``.

    Raises:
        UserError: as :func:`from_toml`.
    """
    return _with(config, map(_override, overrides))


def assign(config: Config, name: str, value: Any) -> Config:
    """A configuration in which ``section.key`` has another value.

    Raises:
        UserError: as :func:`from_toml`.
    """
    return _with(config, [_value(name, value)])


def to_toml(config: Any, task: str) -> str:
    """The complete configuration, each key with its reason; :func:`from_toml` reads it back to an equal one."""
    lines = [f"task = {json.dumps(task)}"]
    for name in _names(config):
        section = getattr(config, name)
        fields = dataclasses.fields(section)
        lines += [f"\n[{name}]"] if fields else []
        for field in fields:
            lines.append(f"{field.name} = {_toml_value(getattr(section, field.name))}  # {field.metadata['reason']}")
    return "\n".join(lines) + "\n"


def named_task(path: Path) -> str | None:
    """The task that a configuration file names, if it does."""
    try:
        task = _read(path).get("task")
    except UserError:  # from_toml reports it
        return None
    return task if isinstance(task, str) else None


def _read(path: Path) -> dict[str, Any]:
    try:
        with open(path, "rb") as file:
            content = file.read(_MOST_BYTES + 1)
        if len(content) > _MOST_BYTES or max(map(len, content.split(b"\n"))) > _MOST_BYTES_OF_A_LINE:
            raise UserError(
                f"{path}: too large for a configuration: at most {_MOST_BYTES} bytes, {_MOST_BYTES_OF_A_LINE} in a line"
            )
        return tomllib.loads(content.decode("utf-8-sig"))
    except FileNotFoundError:
        raise UserError(f"{path}: no such configuration file") from None
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: cannot be read as UTF-8 text: {error}") from None
    except RecursionError:
        raise UserError(f"{path}: not valid TOML: values stand too deep inside of each other") from None
    except ValueError as error:  # a number of too many digits is one without being a TOMLDecodeError
        raise UserError(f"{path}: not valid TOML: {error}") from None


def _values_of(path: Path, config_type: type) -> Iterator[_Value]:
    for section, table in _read(path).items():
        if section == "task" and isinstance(table, str):  # a recipe names its task; the command line compares
            continue
        if not isinstance(table, dict):
            sections = ", ".join(_names(config_type))
            raise UserError(f"{path}: {_shown(section)} stands outside of a section: sections are {sections}")
        for key, value in table.items():
            yield _Value(section, key, value)


def _override(text: str) -> _Value:
    name, equals, value = text.partition("=")
    if not equals:
        raise UserError(f"--set '{text}': write it as section.key=value, such as training.epochs=3")
    return _value(name.strip(), _parse(value.strip()))


def _value(name: str, value: Any) -> _Value:
    section, _, key = name.partition(".")
    return _Value(section, key, value)


def _with(config: Config, values: Iterable[_Value]) -> Config:
    """The configuration with those values. Whether they fit together is asked once they are all there."""
    changes: dict[str, dict[str, Any]] = {}
    for value in values:
        changes.setdefault(value.section, {})[value.key] = _checked(config, value)
    sections = {}
    for name, settings in changes.items():
        try:
            sections[name] = dataclasses.replace(getattr(config, name), **settings)
        except UserError as error:
            raise UserError(f"config section '{name}': {error}") from None
    return dataclasses.replace(config, **sections)  # type: ignore[type-var]


def _toml_value(value: bool | int | float | str) -> str:
    # JSON's literals are TOML's for these types, except that TOML wants DEL escaped and a digit before an exponent.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _parse(text: str) -> Any:
    """A value as the command line gives it: a TOML literal, or else a bare string."""
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except (ValueError, RecursionError):
        return text


def _checked(config: Any, given: _Value) -> Any:
    """The value that the setting takes."""
    if given.section not in (known := _names(config)):
        raise UserError(f"config section {_shown(given.section)} is unknown{_closest(given.section, known)}")
    section = getattr(config, given.section)
    if given.key not in (known := _names(section)):
        raise UserError(f"config key {_shown(given.name)} is unknown{_closest(given.key, known)}")
    allowed = next(field for field in dataclasses.fields(section) if field.name == given.key).metadata
    wanted = get_type_hints(type(section))[given.key]
    value = given.value
    if wanted is float and type(value) is int and abs(value) < 1 << 53:
        value = float(value)
    if wrong := _wrong(value, wanted, allowed):
        raise UserError(f"config key '{given.name}' is {_shown(value)}: {wrong}")
    return value


def _wrong(value: Any, wanted: type, allowed: Any) -> str:
    """What a setting must be, for a value that is not that; else nothing."""
    if type(value) is not wanted:
        kinds = {int: "a whole number", float: "a number", bool: "true or false", str: "a text"}
        return f"it must be {kinds[wanted]}"
    if allowed["choices"] and value not in allowed["choices"]:
        return f"choose {_either(allowed['choices'])}"
    if isinstance(value, str) and any("\ud800" <= character <= "\udfff" for character in value):
        return "it must be Unicode: rename a file whose name is not UTF-8"
    minimum, maximum = allowed["minimum"], allowed["maximum"]
    if wanted in (int, float) and not ((minimum is None or value >= minimum) and (maximum is None or value <= maximum)):
        return f"it must be at least {minimum}" if maximum is None else f"it must be from {minimum} to {maximum}"
    if isinstance(value, float) and not math.isfinite(value):
        return "it must be a finite number"
    if isinstance(value, int) and value > _LARGEST_INTEGER:
        return f"it must be at most {_LARGEST_INTEGER}"
    return ""


def _shown(value: Any) -> str:
    """A value or a name in one short line, whatever it is."""
    try:
        text = repr(value)
    except (RecursionError, ValueError):  # nested too deeply; a number of too many digits
        return f"a {type(value).__name__} too large to show"
    return text if len(text) <= _MOST_SHOWN else f"{text[:_MOST_SHOWN]}…"


def _names(dataclass: Any) -> list[str]:
    return [field.name for field in dataclasses.fields(dataclass)]


def _closest(name: str, known: list[str]) -> str:
    close = difflib.get_close_matches(name, known, n=1)
    hint = f" (did you mean '{close[0]}'?)" if close else ""
    return f"{hint}: known are {', '.join(known) or 'none'}"


def _either(choices: tuple[str, ...]) -> str:
    return " or ".join([", ".join(choices[:-1]), choices[-1]]) if len(choices) > 1 else choices[0]
