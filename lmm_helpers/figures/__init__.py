"""How the book's figures look, and those that no library draws."""
