"""Tools of the console: its vendored libraries and the thumbnails of its presets."""
