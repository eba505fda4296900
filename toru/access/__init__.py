"""Who comes in: passwords, sessions, tokens, throttling, and who may do what."""
