"""Making one ``.tflite`` file out of a trained model."""
