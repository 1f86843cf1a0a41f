"""The stack around a board: PostgreSQL, mock backend, gateway, forwarder, each a process of its own."""
