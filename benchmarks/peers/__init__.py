"""toru beside other proxies, in turns on one machine, in front of the same trivial plugin."""
