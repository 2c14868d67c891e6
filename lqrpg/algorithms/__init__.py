"""One algorithm a module."""
