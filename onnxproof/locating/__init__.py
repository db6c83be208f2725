"""Where a conversion goes wrong, and the folder that shows it."""
