"""Tells whether a plugin keeps to the protocol: it is run alone, spoken to in every way that toru would, and ended."""
