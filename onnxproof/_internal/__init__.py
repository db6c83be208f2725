"""Files, names, nested values and texts: what the package itself needs."""
