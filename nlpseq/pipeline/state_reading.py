"""Reading a text with a trained model, to look at its gates and states."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from nlpseq.errors import UserError
from nlpseq.layers.tracing import directions, traces
from nlpseq.networks.network import Network
from nlpseq.report.state_facts import LayerStates, Reading, followed
from nlpseq.tasks.base import Trained
from nlpseq.text.landmarks import landmarks

_MOST_PIECES = 20_000  # of a longer text


def read_states(trained: Trained, text: str, longer_text: str = "") -> Reading:
    """Reads a text, and finds what units follow.

    Args:
        trained: any model with recurrent layers that read: of a translation, the encoder.
        text: what is shown.
        longer_text: what correlations are measured on, since few pieces agree by chance; empty takes the text.

    Raises:
        UserError: the text is empty, or the model has no encoder of this package.
    """
    network = trained.model
    if not isinstance(network, Network) or type(network).encoder_inputs is Network.encoder_inputs:
        raise UserError(f"'{trained.name}' has no recurrent layers that nlpseq knows")
    pieces, layers = _read(trained, network, text)
    if not text.strip() or not pieces:
        raise UserError("there is nothing to read: give a text with at least one character")
    seen_pieces, seen = _read(trained, network, longer_text) if longer_text else (pieces, layers)
    marks = landmarks(seen_pieces)
    named = [
        LayerStates(name, network.encoder.cell, values, followed(LayerStates(name, "", seen[name], {}).memory, marks))
        for name, values in layers.items()
    ]
    return Reading(trained.name, tuple(pieces), named, len(seen_pieces))


def _read(trained: Trained, network: Network, text: str) -> tuple[list[str], dict[str, dict[str, np.ndarray]]]:
    """Returns the pieces, and by layer and name its gates and states, each [time, units]."""
    tokenizer = trained.vocabulary.tokenizers[trained.task.facts.sequences[0]]
    ids = trained.task.read_ids(text, trained.vocabulary)[:_MOST_PIECES]
    if not ids:
        return [], {}
    sequence = network.encoder_inputs(tf.constant([ids]))[0]
    found: dict[str, dict[str, np.ndarray]] = {}
    for number, layer in enumerate(network.encoder.layers, start=1):
        ways = {way: traces(each, sequence) for way, each in directions(layer).items()}
        for way, values in ways.items():
            name = f"layer {number}" + (f", {way}" if len(ways) > 1 else "")
            found[name] = {key: value.numpy().astype(np.float32) for key, value in values.items()}
        sequence = tf.concat([values["state"] for values in ways.values()], axis=-1)
    return tokenizer.pieces(ids), found
