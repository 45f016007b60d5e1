"""Pure logic in flow order: cleaning, tags, profile, triggers, reach. No clock, no I/O, no engine."""
