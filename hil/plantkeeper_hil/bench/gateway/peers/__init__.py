"""The servers that are compared, one a file."""
