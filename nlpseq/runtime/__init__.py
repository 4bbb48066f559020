"""Using a model: what answers look like, and where models are found. No TensorFlow is imported here."""
