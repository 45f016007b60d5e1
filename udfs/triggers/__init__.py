"""Scene triggers: rules over the cleaned event, the fresh profile and time."""
