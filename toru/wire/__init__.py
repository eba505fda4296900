"""Bytes to messages and back, and which answer belongs to which request: pure, with no reactor."""
