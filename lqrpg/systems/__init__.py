"""The plants of the papers, each a small frozen dataclass of settings."""
