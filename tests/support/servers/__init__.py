"""Real servers that tests start on loopback, one a test session, and the programs they need."""
