"""`python -m service` is `pushforward`."""

from service.cli import main

main()
