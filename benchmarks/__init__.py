"""Side-by-side speed: the same model trained with nlpseq, with Keras' own layers and with PyTorch."""
