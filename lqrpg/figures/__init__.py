"""Tables to figures, one module per paper; sees tables and nothing else. `registry` finds figures by name."""
