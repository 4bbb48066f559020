"""Using models, from their exported files. No TensorFlow is imported here."""
