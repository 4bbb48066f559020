"""Pictures and words about a model: curves, attention, relevance, comparison, and the model card."""
