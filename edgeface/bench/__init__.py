"""``edgeface bench``: how fast the bundle's stages, and its embedder's variants, run here."""
