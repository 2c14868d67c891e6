"""The papers' algorithms, one a module: arrays in, arrays out."""
