"""How fast, how far, how much memory: one module a question, run by `make bench`."""
