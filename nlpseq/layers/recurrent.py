"""Recurrent layers."""

from keras.layers import GRU, LSTM
from keras.layers import SimpleRNN as RNN

__all__ = ["GRU", "LSTM", "RNN"]
