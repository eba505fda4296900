"""The face: management calls and proxying over HTTP, with no knowledge of processes."""
