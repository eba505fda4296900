"""`toru doctor`: looks at an installation on this machine, and says what to mend."""
