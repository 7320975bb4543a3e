"""The room where files become a checked, compiled policy, or diagnostics. Nothing is evaluated against a request here."""
