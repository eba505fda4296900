"""More processes that serve clients: the core lends them connections, and they ask plugins directly."""
