"""The room of pure values: ladder, facts, decision, outcome, profiles. Standard library only; no I/O, no clock."""
