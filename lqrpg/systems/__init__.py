"""The plants: frozen settings that build a `Plant`."""
