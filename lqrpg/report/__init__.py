"""One page about all results: what stands on it (content), and how it is written (page)."""
