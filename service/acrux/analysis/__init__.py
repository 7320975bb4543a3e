"""The room that tries policies out: their tests, coverage, invariants, loading. It writes nothing and serves nobody."""
