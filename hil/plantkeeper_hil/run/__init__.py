"""A run: boards live through virtual time, then every reading is accounted for."""
