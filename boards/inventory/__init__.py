"""What boards and the site's server are made of: bills of materials, and advisories for them."""
