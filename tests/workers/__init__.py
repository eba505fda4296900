"""Workers: what moves between processes, who is asked what, and what is told of it."""
