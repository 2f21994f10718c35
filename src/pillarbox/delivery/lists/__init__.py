"""Mailing lists: who may write to one, what its members get, how they leave it."""
