"""What durability costs: readings a second committed one by one, with group commit by PostgreSQL, and in batches."""
