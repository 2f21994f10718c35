"""Fakes for clock and faults, for tests of ours and of those who embed the house.

No room imports this one.
"""
