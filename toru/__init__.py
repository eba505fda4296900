"""toru: a host for plugins written in any language."""

__version__ = "0.1.0"
