"""Sources whose conditions are domains, and which know what a row is like in another one."""
