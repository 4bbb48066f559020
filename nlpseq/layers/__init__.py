"""Keras layers: recurrent ones with a hand-written backward pass."""

from nlpseq.layers.bidirectional import Bidirectional
from nlpseq.layers.recurrent import GRU, LSTM, RNN
from nlpseq.layers.regularization import Regularization

__all__ = ["GRU", "LSTM", "RNN", "Bidirectional", "Regularization"]
