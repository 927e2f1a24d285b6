"""The console: pages in a browser, over the REST API. `static/` is what the browser loads; nothing is built."""
