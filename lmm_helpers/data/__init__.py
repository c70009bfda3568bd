"""The data of the book, each with its source and its truth."""
