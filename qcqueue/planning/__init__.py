"""Which job a session takes. Policies are pure functions: same queue, same machine, same choice."""
