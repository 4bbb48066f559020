"""Finding models, and which of a model's files is used."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import pytest

import nlpseq
from nlpseq import model_folder
from nlpseq.config import DataConfig, TaskConfig, setting
from nlpseq.errors import UserError
from nlpseq.folder_lock import held
from nlpseq.pipeline import loading
from nlpseq.runtime.classifier import Classifier
from nlpseq.runtime.generator import Generator
from nlpseq.runtime.translator import Translator
from tests.runtime import toys

PREDICTORS = {"translation": Translator, "sentiment": Classifier, "char-lm": Generator}


def write_model(folder: Path, task: str, languages: tuple[str, str] = ("", ""), files: tuple[str, ...] = ()) -> Path:
    """A folder as it ships, or with other files, which are empty."""
    folder.mkdir(parents=True)
    data = f'[data]\nsource_language = "{languages[0]}"\ntarget_language = "{languages[1]}"\n'
    (folder / "config.toml").write_text(f'task = "{task}"\n{data}', encoding="utf-8")
    for file in files:
        (folder / file).touch()
    if not files:
        toys.write_toy(folder / "model.tflite", task, languages=list(languages) if all(languages) else [])
    return folder


@dataclass(frozen=True)
class Languages(DataConfig):
    source_language: str = setting("", "of the source")
    target_language: str = setting("", "of the target")


@dataclass(frozen=True)
class Config(TaskConfig):
    data: Languages = field(default_factory=Languages)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, with nothing in it; nothing is shipped either."""
    (tmp_path / "shipped").mkdir()
    monkeypatch.setattr("nlpseq.saved_models.__path__", [str(tmp_path / "shipped")])
    (tmp_path / "home").mkdir()
    monkeypatch.chdir(tmp_path / "home")
    return tmp_path / "home"


@pytest.mark.parametrize("task", PREDICTORS)
def test_a_file_a_folder_and_a_name_are_models(home: Path, task: str) -> None:
    folder = write_model(home / "saved_models" / "mine", task)
    for name in ("mine", str(folder), str(folder / "model.tflite")):
        found = model_folder.find(name)
        assert (found.task, found.exported_file, found.keras_file) == (task, Path(found.exported_file or ""), None)
        assert isinstance(nlpseq.load(name), PREDICTORS[task])
    assert model_folder.find("mine").name == "mine"
    assert model_folder.find(str(folder / "model.tflite")).name == f"toy-{task}"


def test_a_file_without_a_name_goes_by_its_own(home: Path) -> None:
    assert model_folder.find(str(toys.write_toy(home / "small.tflite", "char-lm", name=""))).name == "small"


def test_shipped_models_come_after_local_ones(home: Path) -> None:
    shipped = home.parent / "shipped"
    write_model(shipped / "en-fr", "translation", ("en", "fr"))
    write_model(shipped / "en-de", "translation", ("en", "de"))
    assert model_folder.find("en-fr").shipped
    assert loading.default("translate", ("en", "de")).name == "en-de"
    with pytest.raises(UserError, match="choose one with --model: en-de, en-fr"):
        loading.default("translate")
    write_model(home / "saved_models" / "mine", "translation", ("en", "de"))
    assert loading.default("translate").name == "mine"
    assert loading.default("translate", ("en", "fr")).name == "en-fr"
    assert [model.name for model in model_folder.models()] == ["mine", "en-de", "en-fr"]
    with pytest.raises(UserError, match="no model that can translate from fr to en"):
        loading.default("translate", ("fr", "en"))


def test_a_run_that_has_not_finished_is_no_model_yet(home: Path) -> None:
    """Without a card, which is written last. A model that somebody copied without its card has no checkpoints."""
    folder = write_model(home / "saved_models" / "mine", "sentiment")
    assert [model.name for model in model_folder.models()] == ["mine"]
    (folder / "checkpoints").mkdir()
    assert list(model_folder.models()) == []
    with pytest.raises(UserError, match=r"not finished here; go on with: nlpseq train-task sentiment --output .*mine"):
        model_folder.find("mine")
    with held(folder, "nlpseq train-task"), pytest.raises(UserError, match=r"process \d+ works in this folder"):
        model_folder.find("mine")
    (folder / "MODEL_CARD.md").touch()
    assert model_folder.find("mine").path == Path("saved_models") / "mine"


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (("checkpoints",), "training has not finished here"),
        (("model.tflite",), "empty: copy or download it again"),
    ],
)
def test_folders_that_are_not_complete(home: Path, files: tuple[str, ...], message: str) -> None:
    write_model(home / "saved_models" / "mine", "translation", files=files)
    with pytest.raises(UserError, match=message):
        nlpseq.load("mine")


def test_a_folder_without_a_configuration(home: Path) -> None:
    toys.write_toy(home / "saved_models" / "mine" / "model.tflite", "translation")
    with pytest.raises(UserError, match=r"config\.toml is missing: give the file itself, .*model\.tflite"):
        model_folder.find("mine")


def test_what_needs_the_model_of_the_training_says_so(home: Path) -> None:
    write_model(home / "saved_models" / "mine", "translation")
    with pytest.raises(UserError, match=r"'mine' is an exported model: this needs model\.keras"):
        model_folder.find("mine").required_keras_file()
    write_model(home / "saved_models" / "other", "translation", files=("model.keras",))
    assert model_folder.find("other").required_keras_file().name == "model.keras"


def test_a_file_that_can_do_something_else(home: Path) -> None:
    file = toys.write_toy(home / "model.tflite", "translation", signatures={"sing": {"N": 4}})
    with pytest.raises(UserError, match="can do sing, which this version of nlpseq does not know"):
        nlpseq.load(str(file))


def test_models_without_an_exported_file_say_what_they_can(home: Path) -> None:
    """They say it in metrics.json, whatever stands there."""
    folder = write_model(home / "saved_models" / "mine", "translation", files=("model.keras",))
    for content, able in (('{"signatures": ["translate"]}', True), ('{"signatures": 1}', False), ("[", False)):
        (folder / "metrics.json").write_text(content, encoding="utf-8")
        assert loading.can(model_folder.find("mine"), "translate") is able
    write_model(home / "saved_models" / "damaged", "translation", files=("model.tflite",))
    assert not loading.can(model_folder.find("damaged"), "translate")


def test_a_name_that_nothing_has(home: Path) -> None:
    with pytest.raises(UserError, match="there is no model 'mine'; there is no model here yet: train one"):
        model_folder.find("mine")
    write_model(home / "saved_models" / "mine", "translation")
    write_model(home.parent / "shipped" / "mine", "sentiment")  # another one of that name, which is said once
    with pytest.raises(UserError, match=r"no model 'mime' \(did you mean 'mine'\?\); models here: mine$"):
        model_folder.find("mime")
    with pytest.raises(UserError, match="no such file"):
        model_folder.find("mine.tflite")


def test_folders_that_hold_something_else(home: Path) -> None:
    (home / "saved_models" / "notes").mkdir(parents=True)
    (home / "saved_models" / "notes" / "todo.txt").touch()
    with pytest.raises(
        UserError, match=r"this folder holds no model: config\.toml and model\.keras or model\.tflite are"
    ):
        model_folder.find("notes")
    folder = write_model(home / "saved_models" / "mine", "translation")
    (folder / "config.toml").write_text("[[", encoding="utf-8")
    with pytest.raises(UserError, match=r"config\.toml: damaged: copy the model folder again"):
        model_folder.find("mine")
    assert list(model_folder.models()) == []


def test_a_copy_of_a_shipped_model_is_not_another_one(home: Path) -> None:
    """In a copy of the repository the shipped models stand in ./saved_models, too."""
    shipped = write_model(home.parent / "shipped" / "en-fr", "translation", ("en", "fr"))
    copy = write_model(home / "saved_models" / "en-fr", "translation", ("en", "fr"))
    assert (copy / "model.tflite").read_bytes() == (shipped / "model.tflite").read_bytes()
    assert [model.shipped for model in model_folder.models()] == [True]
    (copy / "model.keras").touch()  # it has been trained here
    assert [model.shipped for model in model_folder.models()] == [False, True]


@pytest.mark.parametrize("content", ["", "[", "[]", "[" * 100_000, '"text"'])
def test_metrics_that_are_not_understood_are_none(home: Path, content: str) -> None:
    folder = write_model(home / "saved_models" / "mine", "translation")
    (folder / "metrics.json").write_text(content, encoding="utf-8")
    assert model_folder.find("mine").metrics() == {}


def test_a_configuration_cut_off_is_noticed(home: Path) -> None:
    """What is left of it may be valid, with defaults for what is missing."""
    folder = write_model(home / "saved_models" / "mine", "translation")
    content = (folder / "config.toml").read_bytes()
    assert model_folder.read_config(Config, folder).data.source_language == ""
    (folder / "config.toml").write_bytes(content[: content.index(b"target_language")].rstrip(b"\n"))
    with pytest.raises(UserError, match=r"config\.toml: cut off in the middle"):
        model_folder.read_config(Config, folder)
