"""Pictures as data: PNG, JPEG and WebP in a zip or a folder."""
