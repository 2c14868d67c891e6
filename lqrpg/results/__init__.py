"""Tables on disk: atomic shards, resumable run directories, provenance, lookup. Everything read is data, never code."""
