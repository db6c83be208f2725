"""The inputs to judge on, and the reference model and the file at work on them."""
