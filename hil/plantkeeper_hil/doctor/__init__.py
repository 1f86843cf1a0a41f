"""What this machine can do and what it lacks. Standard library only, since it runs where nothing is installed yet."""
