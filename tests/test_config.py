"""Configurations: what is written is read back, and every mistake is named with what is allowed."""

import contextlib
import dataclasses
import math
import re
import tomllib
from pathlib import Path
from typing import Any, get_type_hints

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nlpseq import config as configuration
from nlpseq.config import TrainingConfig, assign, from_toml, named_task, setting, to_toml
from nlpseq.errors import UserError

TASKS = ("char-lm", "sentiment", "translation")


@dataclasses.dataclass
class DataSection:
    train: str = setting("sample", "a SPEC")
    shared: bool = setting(True, "one vocabulary")


@dataclasses.dataclass
class SmallConfig:
    """A configuration that needs no TensorFlow."""

    data: DataSection = dataclasses.field(default_factory=DataSection)
    training: TrainingConfig = dataclasses.field(default_factory=TrainingConfig)


def config_type(task: str) -> type:
    from nlpseq.tasks import task_class

    return task_class(task).config_type


def write(folder: Path, text: str | bytes) -> Path:
    path = folder / "config.toml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def values_for(wanted: type, allowed: Any) -> st.SearchStrategy:
    if wanted is bool:
        return st.booleans()
    if wanted is str:
        return st.sampled_from(allowed["choices"]) if allowed["choices"] else st.text(max_size=20)
    if wanted is int:
        return st.integers(allowed["minimum"], allowed["maximum"] if allowed["maximum"] is not None else 1 << 40)
    return st.floats(allowed["minimum"], allowed["maximum"], allow_nan=False, allow_infinity=False)


# Round trip


@pytest.mark.parametrize("task", TASKS)
def test_defaults_survive_the_round_trip(task: str, tmp_path: Path) -> None:
    path = write(tmp_path, to_toml(config_type(task)(), task))
    assert from_toml(config_type(task), path) == config_type(task)()
    assert named_task(path) == task


@pytest.mark.parametrize("task", TASKS)
@settings(deadline=None, max_examples=25, derandomize=True)
@given(data=st.data())
def test_any_allowed_values_survive_the_round_trip(task: str, data: st.DataObject, tmp_path_factory: Any) -> None:
    config = config_type(task)()
    for section in dataclasses.fields(config):
        part = getattr(config, section.name)
        hints = get_type_hints(type(part))
        for field in dataclasses.fields(part):
            value = data.draw(values_for(hints[field.name], field.metadata), label=f"{section.name}.{field.name}")
            assign(config, f"{section.name}.{field.name}", value)
            assert getattr(part, field.name) == value
    path = write(tmp_path_factory.mktemp("config"), to_toml(config, task))
    assert from_toml(config_type(task), path) == config


def test_toml_is_complete_and_gives_each_reason() -> None:
    text = to_toml(SmallConfig(), "small")
    tables = tomllib.loads(text)
    assert tables == {
        "task": "small",
        "data": {"train": "sample", "shared": True},
        "training": dataclasses.asdict(TrainingConfig()),
    }
    assert 'train = "sample"  # a SPEC\n' in text
    assert "epochs = 20  # an upper bound; early stopping usually ends a run\n" in text


@pytest.mark.parametrize("text", ["a # b", 'quote " and \\ back', "tab\tline\nreturn\r", "\x00\x1f\x7f\x85", "😀", "="])
def test_awkward_texts_survive(text: str, tmp_path: Path) -> None:
    config = SmallConfig()
    config.data.train = text
    assert from_toml(SmallConfig, write(tmp_path, to_toml(config, "small"))).data.train == text


def test_numbers_survive_at_full_precision(tmp_path: Path) -> None:
    config = SmallConfig()
    for name, value in {"learning_rate": 1e-7, "weight_decay": 0.1 + 0.2, "max_minutes": 1e22}.items():
        assign(config, f"training.{name}", value)
    again = from_toml(SmallConfig, write(tmp_path, to_toml(config, "small")))
    assert again.training.learning_rate == 1e-7
    assert again.training.weight_decay == 0.30000000000000004
    assert again.training.max_minutes == 1e22


def test_infinity_survives_if_it_is_not_refused(tmp_path: Path) -> None:
    config = SmallConfig()
    with contextlib.suppress(UserError):
        assign(config, "training.max_minutes", math.inf)
    assert from_toml(SmallConfig, write(tmp_path, to_toml(config, "small"))) == config


def test_instances_do_not_share_sections() -> None:
    one, other = from_toml(SmallConfig, None, ["training.epochs=3"]), from_toml(SmallConfig, None)
    assert (one.training.epochs, other.training.epochs) == (3, 20)


# Files


def test_a_file_changes_only_what_it_names(tmp_path: Path) -> None:
    path = write(tmp_path, 'task = "small"\n[training]\nepochs = 7\nlearning_rate = 2\n')
    config = from_toml(SmallConfig, path)
    assert config.training == TrainingConfig(epochs=7, learning_rate=2.0)
    assert isinstance(config.training.learning_rate, float)
    assert config.data == DataSection()


def test_byte_order_mark_and_crlf_are_tolerated(tmp_path: Path) -> None:
    path = write(tmp_path, b'\xef\xbb\xbftask = "small"\r\n[training]\r\nepochs = 7\r\n')
    assert from_toml(SmallConfig, path).training.epochs == 7
    assert named_task(path) == "small"


def test_overrides_win_over_the_file_and_later_ones_over_earlier(tmp_path: Path) -> None:
    path = write(tmp_path, "[training]\nepochs = 7\nseed = 5\n")
    config = from_toml(SmallConfig, path, ["training.epochs=8", "training.epochs=9"])
    assert (config.training.epochs, config.training.seed) == (9, 5)


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=re.escape(f"{tmp_path}/none.toml: no such configuration file")):
        from_toml(SmallConfig, tmp_path / "none.toml")


def test_folder_instead_of_a_file(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=re.escape(f"{tmp_path}: cannot be read")):
        from_toml(SmallConfig, tmp_path)


def test_file_that_is_not_utf8(tmp_path: Path) -> None:
    path = write(tmp_path, '[data]\ntrain = "été"\n'.encode("latin-1"))
    with pytest.raises(UserError, match=re.escape(f"{path}: cannot be read as UTF-8 text")):
        from_toml(SmallConfig, path)
    assert named_task(path) is None


@pytest.mark.parametrize("text", ["[training\nepochs = 1\n", "epochs == 1\n", "[training]\nepochs = 1\nepochs = 2\n"])
def test_file_that_is_not_toml(text: str, tmp_path: Path) -> None:
    path = write(tmp_path, text)
    with pytest.raises(UserError, match=re.escape(f"{path}: not valid TOML: ") + r".*line \d+"):
        from_toml(SmallConfig, path)
    assert named_task(path) is None


def test_key_outside_of_a_section(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"'epochs' stands outside of a section: sections are .*data.*training"):
        from_toml(SmallConfig, write(tmp_path, "epochs = 3\n"))


def test_named_task_of_a_file_without_one_or_none_at_all(tmp_path: Path) -> None:
    assert named_task(write(tmp_path, "[training]\nepochs = 7\n")) is None
    assert named_task(tmp_path / "none.toml") is None


# Mistakes: each both in a file and in an override

MISTAKES = [
    (
        "trainig",
        "epochs",
        "3",
        r"^config section 'trainig' is unknown \(did you mean 'training'\?\): known are data, training$",
    ),
    ("zzz", "epochs", "3", r"^config section 'zzz' is unknown: known are data, training$"),
    (
        "training",
        "epoch",
        "3",
        r"^config key 'training\.epoch' is unknown \(did you mean 'epochs'\?\): known are epochs, max_minutes, .*seed$",
    ),
    ("data", "zzz", "3", r"^config key 'data\.zzz' is unknown: known are train, shared$"),
    ("training", "epochs", '"three"', r"^config key 'training\.epochs' is 'three': it must be a whole number$"),
    ("training", "epochs", "3.0", r"^config key 'training\.epochs' is 3\.0: it must be a whole number$"),
    ("training", "epochs", "true", r"^config key 'training\.epochs' is True: it must be a whole number$"),
    ("training", "epochs", "[1]", r"^config key 'training\.epochs' is \[1\]: it must be a whole number$"),
    ("training", "ema", '"much"', r"^config key 'training\.ema' is 'much': it must be a number$"),
    ("training", "ema", "false", r"^config key 'training\.ema' is False: it must be a number$"),
    ("data", "shared", "1", r"^config key 'data\.shared' is 1: it must be true or false$"),
    ("data", "shared", '"yes"', r"^config key 'data\.shared' is 'yes': it must be true or false$"),
    ("data", "train", "3", r"^config key 'data\.train' is 3: it must be a text$"),
    ("data", "train", "{a = 1}", r"^config key 'data\.train' is \{'a': 1\}: it must be a text$"),
    (
        "training",
        "optimizer",
        '"adma"',
        r"^config key 'training\.optimizer' is 'adma': choose adam, adamw or sgd$",
    ),
    ("training", "optimizer", '""', r"^config key 'training\.optimizer' is '': choose adam, adamw or sgd$"),
    (
        "training",
        "precision",
        '"float16"',
        r"^config key 'training\.precision' is 'float16': choose float32 or bfloat16$",
    ),
    ("training", "epochs", "0", r"^config key 'training\.epochs' is 0: it must be at least 1$"),
    ("training", "learning_rate", "-0.1", r"^config key 'training\.learning_rate' is -0\.1: it must be at least 0$"),
    ("training", "decay_start", "1.5", r"^config key 'training\.decay_start' is 1\.5: it must be from 0 to 1$"),
    ("training", "decay_start", "-1", r"^config key 'training\.decay_start' is -1\.0: it must be from 0 to 1$"),
    ("training", "decay_start", "nan", r"^config key 'training\.decay_start' is nan: it must be from 0 to 1$"),
]


@pytest.mark.parametrize(("section", "key", "literal", "message"), MISTAKES)
def test_mistakes_are_named_with_what_is_allowed(
    section: str, key: str, literal: str, message: str, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match=message):
        from_toml(SmallConfig, write(tmp_path, f"[{section}]\n{key} = {literal}\n"))
    with pytest.raises(UserError, match=message):
        from_toml(SmallConfig, None, [f"{section}.{key}={literal}"])


def test_bounds_are_inclusive() -> None:
    config = from_toml(SmallConfig, None, ["training.epochs=1", "training.decay_start=1", "training.decay_floor=0"])
    assert config.training.epochs == 1
    assert config.training.decay_start == 1.0
    assert config.training.decay_floor == 0.0


def test_a_refused_value_leaves_the_old_one() -> None:
    config = SmallConfig()
    with pytest.raises(UserError):
        assign(config, "training.epochs", 0)
    assert config.training.epochs == 20


def test_number_too_large_for_a_float_is_a_users_mistake() -> None:
    with pytest.raises(UserError, match=r"training\.learning_rate"):
        from_toml(SmallConfig, None, ["training.learning_rate=1" + "0" * 400])


# --set


@pytest.mark.parametrize(
    ("override", "section", "key", "value"),
    [
        ("training.epochs=3", "training", "epochs", 3),
        (" training.epochs = 3 ", "training", "epochs", 3),
        ("training.epochs=1_000", "training", "epochs", 1000),
        ("training.learning_rate=1e-3", "training", "learning_rate", 0.001),
        ("training.learning_rate=2", "training", "learning_rate", 2.0),
        ("data.shared=false", "data", "shared", False),
        ("data.shared=true", "data", "shared", True),
        ("training.optimizer=sgd", "training", "optimizer", "sgd"),
        ('training.optimizer="sgd"', "training", "optimizer", "sgd"),
        ("training.optimizer='sgd'", "training", "optimizer", "sgd"),
        ("data.train=my reviews.tsv", "data", "train", "my reviews.tsv"),
        ("data.train=a.en,a.fr", "data", "train", "a.en,a.fr"),
        ("data.train=tfds:imdb_reviews/plain_text:1.0.0", "data", "train", "tfds:imdb_reviews/plain_text:1.0.0"),
        ("data.train=key=value", "data", "train", "key=value"),
        ("data.train=été 😀.txt", "data", "train", "été 😀.txt"),
        ("data.train=2024.tsv", "data", "train", "2024.tsv"),
        ("data.train=C:\\texts\\new.txt", "data", "train", "C:\\texts\\new.txt"),
        ("data.train=", "data", "train", ""),
        ('data.train=""', "data", "train", ""),
    ],
)
def test_overrides(override: str, section: str, key: str, value: Any) -> None:
    config = from_toml(SmallConfig, None, [override])
    assert getattr(getattr(config, section), key) == value
    assert type(getattr(getattr(config, section), key)) is type(value)


@pytest.mark.parametrize("override", ["training.epochs", "", "training.epochs 3"])
def test_override_without_a_value(override: str) -> None:
    with pytest.raises(
        UserError, match=rf"^--set '{override}': write it as section\.key=value, such as training\.epochs=3$"
    ):
        from_toml(SmallConfig, None, [override])


def test_override_of_a_whole_section() -> None:
    with pytest.raises(UserError, match="config key 'training' is unknown"):
        from_toml(SmallConfig, None, ["training=3"])


@pytest.mark.parametrize("task", TASKS)
def test_every_setting_of_every_task_has_a_reason_and_an_allowed_default(task: str) -> None:
    config = config_type(task)()
    for section in dataclasses.fields(config):
        part = getattr(config, section.name)
        for field in dataclasses.fields(part):
            name = f"{section.name}.{field.name}"
            assert field.metadata["reason"].strip(), name
            assert "\n" not in field.metadata["reason"], name
            configuration.assign(config, name, getattr(part, field.name))
    assert config == config_type(task)()
