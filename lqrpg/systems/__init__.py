"""The plants of the papers: frozen settings, each with a `plant()`."""
