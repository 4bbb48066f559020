"""Loading a ``model.keras`` that may come from anybody.

The configuration in such a file names classes and functions, and Keras builds what is named. Its safe mode has been got
around many times (CVE-2025-1550, CVE-2025-8747, CVE-2025-9906, CVE-2026-1462, keras-team/keras#23654). So a file is
refused here, before Keras sees it, unless it names only what our models are made of.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

from nlpseq.errors import UserError

_CONFIG = "config.json"
_MEMBERS = {"metadata.json", _CONFIG, "model.weights.h5"}
_MOST_CONFIG_BYTES = 1 << 22

# Classes of Keras by the module that a configuration names. None of them runs code or opens a file that a configuration
# names, as Lambda, TFSMLayer, TorchModuleWrapper, StringLookup and their like do. Our models name no functions.
_KERAS: dict[str, frozenset[str]] = {
    "keras": frozenset({"DTypePolicy", "Sequential"}),
    "keras.src.models.functional": frozenset({"Functional"}),
    "keras.src.ops.numpy": frozenset({"NotEqual"}),  # the mask of an embedding
    "keras.initializers": frozenset({
        "Constant", "GlorotNormal", "GlorotUniform", "HeNormal", "HeUniform", "Identity", "LecunNormal", "LecunUniform",
        "Ones", "Orthogonal", "RandomNormal", "RandomUniform", "TruncatedNormal", "VarianceScaling", "Zeros",
    }),
    "keras.regularizers": frozenset({"L1", "L1L2", "L2", "OrthogonalRegularizer"}),
    "keras.constraints": frozenset({"MaxNorm", "MinMaxNorm", "NonNeg", "UnitNorm"}),
    "keras.layers": frozenset({
        "Activation", "Add", "AdditiveAttention", "Attention", "Average", "AveragePooling1D", "BatchNormalization",
        "Bidirectional", "Concatenate", "Conv1D", "Dense", "Dot", "Dropout", "ELU", "Embedding", "Flatten", "GRU",
        "GRUCell", "GaussianDropout", "GaussianNoise", "GlobalAveragePooling1D", "GlobalMaxPooling1D", "InputLayer",
        "LSTM", "LSTMCell", "LayerNormalization", "LeakyReLU", "Masking", "MaxPooling1D", "Maximum", "Minimum",
        "MultiHeadAttention", "Multiply", "Permute", "RNN", "ReLU", "RepeatVector", "Reshape", "SimpleRNN",
        "SimpleRNNCell", "Softmax", "SpatialDropout1D", "StackedRNNCells", "Subtract", "TimeDistributed",
    }),
}  # fmt: skip


def load_network(file: Path, packages: Collection[str] = ("nlpseq",)) -> Any:
    """Loads the ``keras.Model`` in a file, and runs no code that the file brings.

    Args:
        file: ends in ``.keras``.
        packages: whose registered classes the model may be made of: nlpseq, and the package of the model's task. They
            must have been imported: a file has nothing imported.

    Raises:
        UserError: the file is damaged, of another version, or made of something else.
    """
    _check(file, packages)
    import keras

    try:
        return keras.saving.load_model(file, compile=False, safe_mode=True)
    except Exception as error:  # whatever Keras, TensorFlow or h5py say of a damaged file
        raise _damaged(file, error) from error


def _check(file: Path, packages: Collection[str]) -> None:
    for named in _named(_config(file)):
        module, name, registered = named.get("module"), named["class_name"], named.get("registered_name")
        if (module, name) == (None, "__keras_tensor__"):  # an input of a layer
            continue
        if isinstance(name, str) and isinstance(module, str) and registered in (None, name):
            allowed = name in _KERAS.get(module, ())
        else:
            allowed = isinstance(registered, str) and _registered_by(registered) in packages
        if not allowed:
            what = registered if isinstance(registered, str) and ">" in registered else f"{module}.{name}"
            raise UserError(
                f"{file}: refused, since it names '{what[:100]}': a model is made of plain layers of Keras and of "
                f"classes of {' and '.join(packages)}; take models from people you trust, or train it again"
            )


def _config(file: Path) -> Any:
    """The configuration in the archive."""
    try:
        with zipfile.ZipFile(file) as archive:
            members = archive.infolist()
            if sorted(member.filename for member in members) != sorted(_MEMBERS):
                raise zipfile.BadZipFile("it has other members than a model has")
            # Keras stores members as they are: one that grows when it is read is meant to fill the memory.
            if any(member.compress_type != zipfile.ZIP_STORED for member in members):
                raise zipfile.BadZipFile("it has a compressed member")
            if archive.getinfo(_CONFIG).file_size > _MOST_CONFIG_BYTES:
                raise zipfile.BadZipFile("its configuration is too long")
            return json.loads(archive.read(_CONFIG))
    except (OSError, ValueError, RecursionError, NotImplementedError, RuntimeError, zipfile.BadZipFile) as error:
        raise _damaged(file, error) from error


def _named(config: Any) -> Iterator[dict[str, Any]]:
    """All parts of a configuration, at any depth, that name a class or a function."""
    waiting = [config]
    while waiting:
        part = waiting.pop()
        if isinstance(part, dict):
            if "class_name" in part:
                yield part
            waiting.extend(part.values())
        elif isinstance(part, list):
            waiting.extend(part)


def _registered_by(registered_name: str) -> str | None:
    """The package whose class is registered under this name."""
    import keras

    registered = keras.saving.get_registered_object(registered_name)
    return None if registered is None else registered.__module__.partition(".")[0]


def _damaged(file: Path, error: Exception) -> UserError:
    reason = (str(error).splitlines() or [type(error).__name__])[0][:200]
    return UserError(
        f"{file}: cannot be loaded, so it is damaged or of another version: copy the model folder again, or train it "
        f"again ({reason})"
    )
