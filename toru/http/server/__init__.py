"""The HTTP/1.1 server in front: connections, requests as they come in, and answers as they go out."""
