"""The words of the language: one file an extension, and ``table``, which lists them all."""
