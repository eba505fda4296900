"""What clients send to the HTTP server, byte for byte, and what it has to say: as seen from outside."""
