"""The `toru` command: what operators and authors of plugins type."""
