"""What an experiment is, how its settings are read, and how its trials are run."""
