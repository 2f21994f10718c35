"""Carrying out what scripts decide: nothing of it here is on the way of mail without a script."""
