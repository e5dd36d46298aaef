"""Which job a session takes, how often it saves, and when all is done. Pure: same queue, same luck, same answer."""
