"""One module per experiment: its settings, its trials, how trials become tables. `registry` finds them by name."""
