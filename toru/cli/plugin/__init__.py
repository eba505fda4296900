"""`toru plugin`: making, checking and installing plugins."""
