"""The tests of toru."""
