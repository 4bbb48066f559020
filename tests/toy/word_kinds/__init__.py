"""Tags each word of a text as a number, as capitalized, or as another word: an example of a task of one's own."""
