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

from nlpseq.config import Section, TaskConfig, TrainingConfig, assign, from_toml, named_task, setting, to_toml
from nlpseq.errors import UserError

TASKS = ("char-lm", "sentiment", "translation")


@dataclasses.dataclass(frozen=True)
class DataSection(Section):
    train: str = setting("sample", "a SPEC")
    shared: bool = setting(True, "one vocabulary")


@dataclasses.dataclass(frozen=True)
class SmallConfig:
    """A configuration that needs no TensorFlow."""

    data: DataSection = DataSection()
    training: TrainingConfig = dataclasses.field(default_factory=TrainingConfig)


@dataclasses.dataclass(frozen=True)
class Span(Section):
    """Two settings that must fit together."""

    first: int = setting(0, "a number")
    last: int = setting(9, "a number that is not smaller")

    def __post_init__(self) -> None:
        if self.last < self.first:
            raise UserError(f"last is {self.last}, before first, {self.first}")


@dataclasses.dataclass(frozen=True)
class ModelSection(Section):
    units: int = setting(4, "of the layer", minimum=1)


@dataclasses.dataclass(frozen=True)
class OwnTraining(TrainingConfig):
    epochs: int = setting(3, "few are enough", minimum=2)


@dataclasses.dataclass(frozen=True)
class OwnConfig(TaskConfig):
    """A task's configuration on the bases."""

    model: ModelSection = ModelSection()
    training: OwnTraining = OwnTraining()
    span: Span = Span()


def config_type(task: str) -> type:
    from nlpseq.tasks import task_class

    return task_class(task).facts.config_type


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
            name = f"{section.name}.{field.name}"
            value = data.draw(values_for(hints[field.name], field.metadata), label=name)
            with contextlib.suppress(UserError):  # it does not fit to those before
                config = assign(config, name, value)
                assert getattr(getattr(config, section.name), field.name) == value
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
    assert "epochs = 0  # an upper bound; 0: many for a small corpus, some 4,000 steps; few for a large\n" in text


@pytest.mark.parametrize("text", ["a # b", 'quote " and \\ back', "tab\tline\nreturn\r", "\x00\x1f\x7f\x85", "😀", "="])
def test_awkward_texts_survive(text: str, tmp_path: Path) -> None:
    config = assign(SmallConfig(), "data.train", text)
    assert from_toml(SmallConfig, write(tmp_path, to_toml(config, "small"))).data.train == text


def test_numbers_survive_at_full_precision(tmp_path: Path) -> None:
    config = SmallConfig()
    for name, value in {"learning_rate": 1e-7, "weight_decay": 0.1 + 0.2, "max_minutes": 1e22}.items():
        config = assign(config, f"training.{name}", value)
    again = from_toml(SmallConfig, write(tmp_path, to_toml(config, "small")))
    assert again.training.learning_rate == 1e-7
    assert again.training.weight_decay == 0.30000000000000004
    assert again.training.max_minutes == 1e22


def test_infinity_survives_if_it_is_not_refused(tmp_path: Path) -> None:
    config = SmallConfig()
    with contextlib.suppress(UserError):
        config = assign(config, "training.max_minutes", math.inf)
    assert from_toml(SmallConfig, write(tmp_path, to_toml(config, "small"))) == config


def test_a_configuration_does_not_change() -> None:
    config = SmallConfig()
    other = assign(config, "training.epochs", 3)
    assert (config.training.epochs, other.training.epochs) == (0, 3)
    assert other.data is config.data
    for part in (config, config.training):
        with pytest.raises(dataclasses.FrozenInstanceError):
            part.data = part.epochs = 3  # type: ignore[misc, attr-defined]


# Bases


def test_a_task_overrides_defaults_and_bounds_of_the_bases(tmp_path: Path) -> None:
    config = OwnConfig()
    assert [field.name for field in dataclasses.fields(config)] == [
        "data", "tokenizer", "augmentation", "model", "training", "decoding", "span",
    ]  # fmt: skip
    assert (config.training.epochs, config.training.patience, config.model.units) == (3, -1, 4)
    assert "epochs = 3  # few are enough\n" in to_toml(config, "own")
    with pytest.raises(UserError, match=r"'training\.epochs' is 1: it must be at least 2"):
        assign(config, "training.epochs", 1)


def test_a_section_without_settings_is_not_written_and_may_be_read(tmp_path: Path) -> None:
    text = to_toml(OwnConfig(), "own")
    assert set(tomllib.loads(text)) == {"task", "data", "model", "training", "span"}
    assert from_toml(OwnConfig, write(tmp_path, text + "[decoding]\n")) == OwnConfig()
    with pytest.raises(UserError, match=r"config key 'decoding\.beam' is unknown: known are none"):
        assign(OwnConfig(), "decoding.beam", 4)


def test_a_section_that_an_older_file_lacks_takes_its_defaults(tmp_path: Path) -> None:
    assert from_toml(OwnConfig, write(tmp_path, "[model]\nunits = 7\n")) == OwnConfig(model=ModelSection(units=7))


def test_values_are_held_against_each_other_once_all_are_there(tmp_path: Path) -> None:
    """In between, the file's first would stand beside the default's last."""
    path = write(tmp_path, "[span]\nfirst = 20\nlast = 30\n")
    assert from_toml(OwnConfig, path, ["span.first=25"]).span == Span(25, 30)
    with pytest.raises(UserError, match=r"^config section 'span': last is 30, before first, 31$"):
        from_toml(OwnConfig, path, ["span.first=31"])
    with pytest.raises(UserError, match="config section 'span'"):
        assign(OwnConfig(), "span.last", -1)


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


@pytest.mark.parametrize("task", ["3", '["small"]', "{ name = 1 }"])
def test_a_task_that_is_no_name(task: str, tmp_path: Path) -> None:
    path = write(tmp_path, f"task = {task}\n")
    assert named_task(path) is None
    with pytest.raises(UserError, match="'task'"):
        from_toml(SmallConfig, path)


HOSTILE = {
    "deep list": "[data]\ntrain = " + "[" * 3000 + "]" * 3000,
    "deep table": "[data]\ntrain = " + "{a = " * 700 + "1" + "}" * 700,
    "endless list": "[data]\ntrain = " + "[" * 3000,
    "deep keys": "[data]\n" + ".".join(["train"] * 600) + " = 1",
    "deep sections": "[" + ".".join(["data"] * 600) + "]\n",
    "long line": "[data]\n" + ".".join(["a"] * 30_000) + " = 1",
    "large file": "[data]\n" + "# nothing\n" * 10_000,
    "many digits": "[training]\nepochs = " + "9" * 4000,
    "too many digits": "[training]\nepochs = 1" + "_0" * 2000 + "0" * 80,
    "hexadecimal": "[training]\nepochs = 0x" + "f" * 4000,
    "long name": f"[{'a' * 4000}]\nb = 1",
    "line breaks in names": '["da\\nta"]\n"tr\\nain" = 1',
    "key of a section": '["data.train"]\nx = 1',
    "section with a list": "[[training]]\nepochs = 3",
    "date": "[training]\nepochs = 1979-05-27T07:32:00Z",
    "list": "training = [1, 2]",
    "infinity": "[training]\nlearning_rate = 1e999",
    "more than 64 bits": f"[training]\nseed = {1 << 64}",
    "NUL": "[data]\ntrain = '\0'",
    "not UTF-8": b"\xff\xfe[\0d\0a\0",
    "random bytes": bytes(range(256)) * 10,
}


@pytest.mark.parametrize("content", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_file_ends_in_one_short_line(content: str | bytes, tmp_path: Path) -> None:
    path = write(tmp_path, content)
    with pytest.raises(UserError) as caught:
        from_toml(SmallConfig, path)
    message = str(caught.value).replace(str(path), "FILE")
    assert "\n" not in message
    assert 20 < len(message) < 700
    assert message.isprintable()
    assert named_task(path) is None


@pytest.mark.parametrize("value", ["[" * 3000, "9" * 5000, "0x" + "f" * 5000, "{a=" * 3000, "name\udce9.txt"])
def test_a_hostile_override_ends_in_one_short_line(value: str) -> None:
    for key in ("training.epochs", "training.learning_rate", "training.optimizer", "training.export"):
        with pytest.raises(UserError, match=f"^config key '{key}' is ") as caught:
            from_toml(SmallConfig, None, [f"{key}={value}"])
        assert len(str(caught.value)) < 300


def test_a_text_that_is_not_unicode_is_refused() -> None:
    """Python makes lone surrogates of the bytes of a file name that is not UTF-8; no file could hold them."""
    with pytest.raises(UserError, match=r"'data\.train' is 'caf\\udce9\.tsv': it must be Unicode: rename a file"):
        from_toml(SmallConfig, None, ["data.train=caf\udce9.tsv"])


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
        r"^config key 'training\.precision' is 'float16': choose auto, float32 or bfloat16$",
    ),
    ("training", "epochs", "-1", r"^config key 'training\.epochs' is -1: it must be at least 0$"),
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
            assert assign(config, name, getattr(part, field.name)) == config
