"""Which boards there are: what is plugged in, what boards.yaml says of it, and who holds which."""
