"""One cell of a table: what is trained on what, how it is run, what is written of it."""
