"""A door's agent: what speaks with the site, beside the door and without it. See docs/site.md."""
