"""The mock backend: HTTPS only, answers as the original does, remembers everything (docs/backend.md)."""
