"""A site's server: the REST API and the console's pages. See docs/site-api.md."""
