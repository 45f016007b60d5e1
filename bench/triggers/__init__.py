"""Scene triggers measured: throughput with many rules, and the time from an event to its trigger in the stream."""
