"""Pictures and words about a model: the model card, curves, attention, relevance, and the comparison of cells."""
