"""What an HTTPS PATCH costs one Python process, by client library."""
