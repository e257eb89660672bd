"""A site: people, doors and events in PostgreSQL. See docs/site.md."""
