"""The room where files become a checked, compiled policy, or diagnostics. Nothing is evaluated for a request here."""
