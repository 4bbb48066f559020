"""Finding models, and which of a model's files is used."""

from __future__ import annotations

from pathlib import Path

import pytest

import nlpseq
from nlpseq.errors import UserError
from nlpseq.runtime import models
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
        toys.write_toy(folder / "model.tflite", task)
    return folder


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
        found = models.find(name)
        assert (found.task, found.exported_file, found.keras_file) == (task, Path(found.exported_file or ""), None)
        assert isinstance(nlpseq.load(name), PREDICTORS[task])
    assert models.find("mine").name == "mine"
    assert models.find(str(folder / "model.tflite")).name == f"toy-{task}"


def test_a_file_without_a_name_goes_by_its_own(home: Path) -> None:
    assert models.find(str(toys.write_toy(home / "small.tflite", "char-lm", name=""))).name == "small"


def test_shipped_models_come_after_local_ones(home: Path) -> None:
    shipped = home.parent / "shipped"
    write_model(shipped / "en-fr", "translation", ("en", "fr"))
    write_model(shipped / "en-de", "translation", ("en", "de"))
    assert models.find("en-fr").shipped
    assert models.default("translation", ("en", "de")).name == "en-de"
    with pytest.raises(UserError, match="choose one with --model: en-de, en-fr"):
        models.default("translation")
    write_model(home / "saved_models" / "mine", "translation", ("en", "de"))
    assert models.default("translation").name == "mine"
    assert models.default("translation", ("en", "fr")).name == "en-fr"
    assert [model.name for model in models.models()] == ["mine", "en-de", "en-fr"]
    with pytest.raises(UserError, match="no translation model from fr to en"):
        models.default("translation", ("fr", "en"))


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
        models.find("mine")


def test_what_needs_the_model_of_the_training_says_so(home: Path) -> None:
    write_model(home / "saved_models" / "mine", "translation")
    with pytest.raises(UserError, match=r"'mine' is an exported model: this needs model\.keras"):
        models.find_trained("mine")
    write_model(home / "saved_models" / "other", "translation", files=("model.keras",))
    assert models.find_trained("other").name == "other"
    with pytest.raises(UserError, match="'other' has no exported file: nlpseq export"):
        models.find("other").exported()


def test_a_file_that_can_do_something_else(home: Path) -> None:
    file = toys.write_toy(home / "model.tflite", "translation", signatures={"sing": {"N": 4}})
    with pytest.raises(UserError, match="can do sing, which this version of nlpseq does not know"):
        nlpseq.load(str(file))


def test_the_width_of_the_beam(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_model(home / "saved_models" / "mine", "translation")
    mine = models.find("mine")
    translator, options = models.load_translator(mine, None, 1)
    assert (type(translator), options) == (Translator, {})
    assert models.load_translator(mine, toys.B, toys.B)[1] == {}
    assert models.load_translator(mine, 1, 1)[1] == {"greedy": True}
    with pytest.raises(
        UserError, match=rf"--beam 5: .*model\.tflite searches with {toys.B}, or with 1.*--beam 5 makes"
    ):
        models.load_translator(mine, 5, 1)
    for beam, n_best in ((None, 4), (1, 2), (3, 4)):
        with pytest.raises(UserError, match=f"--n-best {n_best}: at most as many as the beam is wide"):
            models.load_translator(mine, beam, n_best)

    (home / "saved_models" / "mine" / "model.keras").touch()
    monkeypatch.setattr(models, "load_keras", lambda model: f"Keras model of {model.name}")
    assert models.load_translator(mine, 5, 5) == ("Keras model of mine", {"beam": 5})
    assert isinstance(models.load_translator(mine, toys.B, 1)[0], Translator)
    with pytest.raises(UserError, match="--n-best 6: at most as many as the beam is wide, which is 5"):
        models.load_translator(mine, 5, 6)

    (home / "saved_models" / "mine" / "model.tflite").unlink()
    assert models.load_translator(mine, None, 4) == ("Keras model of mine", {"beam": 4})
