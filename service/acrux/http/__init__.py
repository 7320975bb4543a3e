"""The HTTP API: routes, problems, authentication. No decisions of its own."""
