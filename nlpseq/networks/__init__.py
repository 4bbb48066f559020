"""The networks: Keras models over ids. They know nothing of data, files or tasks."""
