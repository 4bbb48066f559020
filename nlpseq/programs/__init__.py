"""Programs: what models do with text, from bytes to bytes, as graphs. One module for each kind."""
