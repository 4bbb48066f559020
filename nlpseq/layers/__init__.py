"""Keras layers: recurrent ones with a hand-written backward pass."""

from nlpseq.layers.bidirectional import Bidirectional
from nlpseq.layers.recurrent import GRU, LSTM, RNN
from nlpseq.layers.regularisation import Regularisation

__all__ = ["GRU", "LSTM", "RNN", "Bidirectional", "Regularisation"]
