"""What a user types. Commands import what they need when they run: `--help` must be quick."""
