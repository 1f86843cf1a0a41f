"""A board's TCP connections to its gateway: passed on and recorded, understood as HTTP, compared, played again."""
