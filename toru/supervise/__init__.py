"""One plugin kept alive, and all of them: discovery, lifecycle, processes and the links to them."""
