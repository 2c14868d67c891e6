"""Trials on MPI ranks."""
