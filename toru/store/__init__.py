"""Everything durable, and the folders that it is in."""
