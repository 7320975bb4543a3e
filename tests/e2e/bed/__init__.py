"""The parts of the end-to-end test bed: programs, provider, user agent. Nothing here knows what a test expects."""
