"""What the papers claim, as checks on tables, one module per paper. `registry` finds them."""
