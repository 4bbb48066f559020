"""Records of TensorFlow Datasets: `tfds:NAME[/CONFIG][:VERSION]`, prepared on this machine or fetched from the network.

TensorFlow is imported only inside the functions that need it.
"""

from __future__ import annotations

import contextlib
import difflib
import errno
import hashlib
import os
import queue
import re
import sys
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from nlpseq.data.columns import ColumnOption, complete, match_names
from nlpseq.errors import DataError, MachineError, MissingExtraError, UserError

SPEC = re.compile(r"tfds:(?P<name>\w+)(/(?P<config>[\w.+-]+))?(:(?P<version>[\d*][\d.*]*|experimental_latest))?")
SPLITS = {"train": ("train",), "valid": ("validation", "valid", "dev", "val"), "test": ("test",)}
STORAGE_URL = "https://storage.googleapis.com/tfds-data"  # asked where a dataset does not list its downloads


def read(spec: str, columns: Sequence[str], part: str, option: ColumnOption) -> Iterator[tuple[int, tuple[str, ...]]]:
    """Yields (number of the example, fields) in the dataset's own order.

    Raises:
        UserError: no such dataset, split or feature, or no network to fetch it.
        DataError: an example without a label, or with text that is not UTF-8.
    """
    builder, split = _open_split(spec, part)
    names = _feature_names(spec, builder.info, columns, option)
    return _read_split(spec, builder, split, names)


def named_features(spec: str, columns: Sequence[str], part: str, option: ColumnOption) -> tuple[str, ...]:
    """The features that are the columns.

    Raises:
        UserError: no such dataset, split or feature, or no network to fetch it.
    """
    builder, _ = _open_split(spec, part)
    return _feature_names(spec, builder.info, columns, option)


def has_part(spec: str, part: str, *, labelled: bool) -> bool:
    """Whether there is a split for the part; where it must be `labelled`, one whose labels are not withheld.

    Raises:
        UserError: no such dataset, or no network to fetch it.
    """
    builder = _open(spec)
    split = _split(builder, part)
    return split is not None and not (labelled and _hides_labels(builder, split))


def split_name(spec: str, part: str) -> str:
    """The dataset's own name of the split for the part.

    Raises:
        UserError: no such dataset or split, or no network to fetch it.
    """
    return _open_split(spec, part)[1]


def fingerprint(spec: str, part: str) -> str:
    """Returns the hex BLAKE2b of the full name with config and version, of the split and of its sizes.

    Raises:
        UserError: no such dataset or split, or no network to fetch it.
    """
    builder, split = _open_split(spec, part)
    info = builder.info.splits[split]
    facts = (builder.info.full_name, split, info.num_examples, info.num_bytes, tuple(info.shard_lengths))
    return hashlib.blake2b(repr(facts).encode(), digest_size=16).hexdigest()


def any_reachable(urls: Iterable[str], timeout_s: float = 5.0) -> bool:
    """Whether one of the servers answers in time, through a proxy if one is set. Not even DNS makes it wait longer."""
    one_each = {urllib.parse.urlsplit(url).netloc: url for url in urls}
    answers: queue.SimpleQueue[bool] = queue.SimpleQueue()
    for url in one_each.values():
        threading.Thread(target=lambda url: answers.put(_answers(url, timeout_s)), args=(url,), daemon=True).start()
    deadline = time.monotonic() + timeout_s
    try:
        return any(answers.get(timeout=max(0.0, deadline - time.monotonic())) for _ in one_each)
    except queue.Empty:
        return False


def _answers(url: str, timeout_s: float) -> bool:
    try:
        urllib.request.urlopen(urllib.request.Request(url, method="HEAD"), timeout=timeout_s).close()
    except urllib.error.HTTPError as error:
        return error.code < 500  # the server is there, though it may not like HEAD
    except (OSError, ValueError):
        return False
    return True


def _open(spec: str) -> Any:
    """The dataset's builder, its data on this machine."""
    try:
        import tensorflow_datasets as tfds
    except ImportError as error:
        raise MissingExtraError("tensorflow-datasets", "tfds") from error
    match = SPEC.fullmatch(spec)
    if match is None:
        raise UserError(f"'{spec}' is not understood: write tfds:NAME[/CONFIG][:VERSION], for example tfds:glue/sst2")
    name = spec.removeprefix("tfds:")
    data_dir = os.environ.get("TFDS_DATA_DIR")  # tfds itself looks only once, when it is imported
    try:
        builder = tfds.builder(name, try_gcs=False, data_dir=data_dir)
    except (ValueError, AssertionError, RuntimeError) as error:
        raise UserError(_unknown_dataset(tfds, spec, match, error)) from error
    if not builder.is_prepared():
        _prepare(spec, builder)
    return builder


def _unknown_dataset(tfds: Any, spec: str, match: re.Match[str], error: Exception) -> str:
    """What is wrong with a spec that TFDS has no builder for, and the names that come near."""
    name, config = match["name"], match["config"]
    known = tfds.list_builders(with_community_datasets=False)
    if name not in known:
        return f"there is no dataset '{spec}'{_similar(name, known)}; https://www.tensorflow.org/datasets lists them"
    configs = list(tfds.builder_cls(name).builder_configs)
    if config and config not in configs:
        return f"'tfds:{name}' has no config '{config}'{_similar(config, configs)}"
    return f"'{spec}' cannot be had: {str(error).splitlines()[0]}"


def _similar(name: str, known: list[str]) -> str:
    close = difflib.get_close_matches(name, sorted(set(known)), n=5) or (known if len(known) <= 20 else [])
    return f" (similar: {', '.join(close)})" if close else ""


def _prepare(spec: str, builder: Any) -> None:
    """Downloads and prepares the dataset after a look at the network: without one, TFDS would retry for minutes."""
    if not any_reachable(builder.url_infos or [STORAGE_URL]):
        raise UserError(
            f"{spec} is not on this machine (looked in {builder.data_dir}), and the network or the dataset's server "
            "does not answer. Without it: use '--data sample', or a file, or copy the prepared folder from another "
            "machine and let the environment variable TFDS_DATA_DIR name the folder that it is in"
        )
    try:
        with contextlib.redirect_stdout(sys.stderr):  # stdout is for results
            builder.download_and_prepare()
    except ModuleNotFoundError as error:
        raise UserError(f"preparing {spec} needs a package more: pip install {error.name}") from error
    except AssertionError as error:  # TFDS's way to say: download this one by hand
        raise UserError(f"{spec} cannot be fetched: {error}") from error
    except OSError as error:
        if error.errno == errno.ENOSPC or "disk space" in str(error):
            raise MachineError(f"no room on the disk for {spec} in {builder.data_dir}: {error}") from error
        raise MachineError(f"{spec} could not be downloaded: {error}") from error
    except Exception as error:
        raise MachineError(f"{spec} could not be prepared ({type(error).__name__}): {error}") from error


def _split(builder: Any, part: str) -> str | None:
    return next((split for split in SPLITS[part] if split in builder.info.splits), None)


def _open_split(spec: str, part: str) -> tuple[Any, str]:
    """The builder, and the name of the split for the part."""
    builder = _open(spec)
    split = _split(builder, part)
    if split is None:
        advice = "give other data with --data" if part == "train" else f"leave --{part} out, or give other data with it"
        raise UserError(f"{spec} has no split for '{part}' ({_splits(builder)}): {advice}")
    return builder, split


def _splits(builder: Any) -> str:
    return f"its splits are {', '.join(builder.info.splits)}"


def _feature_names(spec: str, info: Any, columns: Sequence[str], option: ColumnOption) -> tuple[str, ...]:
    """The features that are the columns, by `--columns`, by usual names, or by the supervised keys."""
    if option.in_order:
        example = ",".join(f"{column}=NAME" for column in columns)
        raise UserError(f"{spec}: features have names: use --columns {example} instead of names in order")
    names = list(_features(info))
    is_pair = tuple(columns) == ("source", "target")
    if is_pair and not option.by_name:
        if direction := _direction(info):
            return direction
    elif positions := complete(match_names(names, columns, option.by_name)):
        return tuple(names[at] for at in positions)
    supervised = tuple(info.supervised_keys or ())
    if tuple(columns) == ("text", "label") and not option.by_name and len(supervised) == 2:
        return supervised
    example = ",".join(f"{column}={name}" for column, name in zip(columns, names, strict=False))
    raise UserError(
        f"{spec}: cannot tell which features are {' and '.join(columns)}; name them, for example --columns {example}. "
        f"Its features are {', '.join(names)}"
    )


def _features(info: Any) -> dict[str, Any]:
    """The features by name. A dataset whose examples are no dictionaries has none."""
    import tensorflow_datasets as tfds

    return dict(info.features.items()) if isinstance(info.features, tfds.features.FeaturesDict) else {}


def _direction(info: Any) -> tuple[str, ...] | None:
    """Source and target of two texts, by the supervised keys, by usual names, or by the name of the config."""
    import tensorflow_datasets as tfds

    texts = sorted(name for name, feature in _features(info).items() if isinstance(feature, tfds.features.Text))
    supervised = tuple(info.supervised_keys or ())
    if len(supervised) == 2 and set(supervised) <= set(texts):
        return supervised
    # Not by the order of the features: TFDS does not keep it, and a wrong guess trains the wrong direction.
    if named := complete(match_names(texts, ("source", "target"), languages=False)):
        return tuple(texts[at] for at in named)
    places = {text: _place(text, info.config_name or "") for text in texts}
    if len(texts) == 2 and None not in places.values():
        return tuple(sorted(texts, key=lambda text: places[text] or 0))
    return None


def _place(language: str, config: str) -> int | None:
    """Where a config's name ("pt_to_en", "fr-en") has the language."""
    found = re.search(rf"(?<![a-z]){re.escape(language)}(?![a-z])", config)
    return found.start() if found else None


def _read_split(spec: str, builder: Any, split: str, names: tuple[str, ...]) -> Iterator[tuple[int, tuple[str, ...]]]:
    features = builder.info.features
    for number, example in enumerate(_examples(builder, split), start=1):
        try:
            fields = tuple(_as_text(example[name], features[name]) for name in names)
        except ValueError as error:
            raise DataError(f"in the split '{split}', {error} ({_splits(builder)})", file=spec, line=number) from error
        yield number, fields


def _examples(builder: Any, split: str) -> Iterator[dict[str, Any]]:
    import tensorflow_datasets as tfds

    read_config = tfds.ReadConfig(try_autocache=False)  # the cache would hold the whole split in memory
    dataset = builder.as_dataset(split=split, shuffle_files=False, read_config=read_config)
    return iter(tfds.as_numpy(dataset))


def _hides_labels(builder: Any, split: str) -> bool:
    """Whether the labels of the split are withheld: in the test splits of GLUE they are -1."""
    import tensorflow_datasets as tfds

    classes = [
        name for name, feature in _features(builder.info).items() if isinstance(feature, tfds.features.ClassLabel)
    ]
    first = next(_examples(builder, split), None) if classes else None
    return first is not None and any(first[name] < 0 for name in classes)


def _as_text(value: Any, feature: Any) -> str:
    """A feature's value as text: a class by its name, a number in decimal."""
    import tensorflow_datasets as tfds

    if isinstance(feature, tfds.features.ClassLabel):
        if value < 0:
            raise ValueError("the labels are withheld (they are -1): choose data with labels")
        return str(feature.int2str(int(value)))
    if isinstance(value, bytes):
        if b"\0" in value:
            raise ValueError("a text holds a NUL character, which is no text")
        return value.decode()
    if isinstance(value, np.bool_):
        return str(value).lower()
    if isinstance(value, np.number):
        return str(value)
    raise ValueError(f"a feature is neither text nor a number but {type(value).__name__}: choose others with --columns")
