"""Loading models by what they can do: an exported file, which needs no TensorFlow, or the model of the training."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from nlpseq import config as configuration
from nlpseq import model_folder
from nlpseq.errors import UserError
from nlpseq.model_folder import FoundModel, read_config
from nlpseq.runtime.litert import ExportedFile
from nlpseq.runtime.predictor import Predictor, predictor_for

if TYPE_CHECKING:
    import keras

    from nlpseq.tasks.base import Task, Trained
    from nlpseq.text.vocabulary import Vocabulary


def load(found: FoundModel) -> Predictor:
    """The model, ready to use.

    Raises:
        UserError: a file of it is missing or damaged.
        MissingExtraError: it has no exported file, and TensorFlow is not installed.
    """
    if found.exported_file is not None:
        return predictor_for(ExportedFile(found.exported_file))
    return load_trained(found).predictor()


def load_with(found: FoundModel, settings: dict[str, Any]) -> Predictor:
    """The model of the training with other settings, such as another beam.

    Raises:
        UserError: there is only an exported file, or as :func:`load`.
    """
    return load_trained(found).with_settings(settings).predictor()


def default(signature: str, languages: tuple[str, str] | None = None) -> FoundModel:
    """The model to use when none is named: the only local one that can do this, else the only shipped one.

    Raises:
        UserError: there is none, or there are several.
    """
    fitting = [model for model in model_folder.models() if can(model, signature)]
    if languages is not None:
        fitting = [model for model in fitting if languages_of(model) == languages]
    choices = [model for model in fitting if not model.shipped] or fitting
    if len(choices) == 1:
        return choices[0]
    if choices:
        names = ", ".join(model.name for model in choices)
        raise UserError(f"several models could do this: choose one with --model: {names}")
    what = f"model that can {signature}" + (f" from {languages[0]} to {languages[1]}" if languages else "")
    raise UserError(f"there is no {what} here: train one with nlpseq train-task, or name one with --model")


def can(found: FoundModel, signature: str) -> bool:
    """Whether a model has a signature; TensorFlow is not asked."""
    if metadata := found.metadata():
        return signature in metadata.signatures
    return signature in _listed(found, "signatures")


def languages_of(found: FoundModel) -> tuple[str, ...]:
    """Source and target of a translation model; empty where they are not known."""
    if metadata := found.metadata():
        return metadata.languages
    return _listed(found, "languages")


def _listed(found: FoundModel, key: str) -> tuple[str, ...]:
    """A list in metrics.json, as train-task writes it; empty where it is something else."""
    value = found.metrics().get(key)
    return tuple(value) if isinstance(value, list) else ()


def load_trained(found: FoundModel) -> Trained:
    """The model of the training with all that belongs to it.

    Raises:
        UserError: a file of it is missing or damaged, or there is only an exported file.
        MissingExtraError: TensorFlow is not installed.
    """
    file = found.required_keras_file()
    task = task_of(found)
    from nlpseq.pipeline.keras_files import load_network
    from nlpseq.tasks.base import Trained
    from nlpseq.text.vocabulary import Vocabulary

    vocabulary = Vocabulary.load(found.path)
    packages = {"nlpseq", type(task).__module__.partition(".")[0]}  # the task may be of another package
    calibration = found.metrics().get("calibration")
    known = calibration if isinstance(calibration, dict) else {}
    return Trained(found.name, task, load_network(file, packages), vocabulary, known)


def with_decoding(trained: Trained, overrides: Iterable[str]) -> Trained:
    """The model with other settings of how it decodes, each as ``decoding.key=value``.

    Raises:
        UserError: another section, an unknown key, or a value that is not allowed.
    """
    overrides = tuple(overrides)
    for override in overrides:
        if not override.startswith("decoding."):
            raise UserError(f"--set {override}: a trained model can only decode otherwise, such as decoding.beam=2")
    from nlpseq.tasks.base import Trained

    config = configuration.overridden(trained.task.config, overrides)
    return Trained(trained.name, type(trained.task)(config), trained.model, trained.vocabulary)


def task_of(found: FoundModel) -> Task[Any]:
    """The model's task, as configured in its folder; for an exported file that stands alone, as its metadata say.

    Raises:
        UserError: the configuration is damaged.
        MissingExtraError: TensorFlow is not installed.
    """
    from nlpseq.tasks import task_class

    task_type = task_class(found.task)
    if found.is_folder:
        return task_type(read_config(task_type.facts.config_type, found.path))
    metadata = found.metadata()
    names = metadata.label_names if metadata else {}
    task = task_type(task_type.facts.config_type())
    stated = ",".join(f"{label}={name}" for label, name in names.items())
    return task.with_settings({"data.labels": stated} if stated else {})


def in_float32(task: Task[Any], vocabulary: Vocabulary, network: keras.Model) -> keras.Model:
    """The network with the same weights, computing in 32 bits: what was trained in 16 is used and exported so.

    TensorFlow Lite has no products, sums or look-ups of bfloat16.
    """
    if network.dtype_policy.name == "float32":
        return network
    plain = task.network(vocabulary)
    plain.set_weights(network.get_weights())
    return plain
